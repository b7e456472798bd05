"""How changes of a deployment's number of instances look to people. Ring: values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from mesh.api import ScaleChange
from mesh.cli.signalviews import signals_text
from mesh.cli.views import time_text

INDENT: Final = 2


def scale_history(changes: Iterable[ScaleChange]) -> RenderableType:
    """Changes of the number of instances: what, why, and by what it was decided, a few lines each.

    It is no table: a reason needs the width of the terminal for itself.
    """
    return Group(*(part for change in changes for part in _lines(change)))


def _lines(change: ScaleChange) -> Iterator[RenderableType]:
    count = f"{change.before} -> {change.after}"
    yield Text(f"{time_text(change.at_s)}  {change.deployment}  {count}", style="bold")
    for line in (change.reason, _seen(change), _asked(change)):
        if line:
            yield Padding(Text(line), (0, 0, 0, INDENT), expand=False)


def _seen(change: ScaleChange) -> str:
    if change.seen is None:
        return ""
    queue = " ".join(f"{lane}={depth}" for lane, depth in change.queue.items() if depth)
    known = [queue or "queue empty", f"{change.ready} ready", signals_text(change.seen)]
    return f"seen: {', '.join(part for part in known if part)}"


def _asked(change: ScaleChange) -> str:
    asked = ", ".join(f"{target} {count}" for target, count in change.asked.items())
    return f"asked: {asked}" if asked else ""
