"""How generations of a deployment and their differences look to people. Ring: values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
import yaml
from rich.table import Table
from rich.text import Text

from mesh.api import DeploymentView
from mesh.cli.output import new_table
from mesh.cli.views import state_text, time_text
from mesh.differences import Difference, Version, differences, unified
from mesh.generation_api import GenerationView
from mesh.reason import headline

STYLES: Final = {"+": "green", "-": "red", "@": "cyan"}


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two generations side by side; `diff` is the unified diff of both as YAML."""

    before: int
    after: int
    changes: list[Difference]
    diff: list[str]


def compare(before: GenerationView, after: GenerationView) -> Comparison:
    """Return what differs."""
    old, new = version(before), version(after)
    names = f"generation {before.generation}", f"generation {after.generation}"
    return Comparison(
        before=before.generation,
        after=after.generation,
        changes=differences(old, new),
        diff=unified(_yaml_text(old), _yaml_text(new), names),
    )


def version(view: GenerationView | DeploymentView) -> Version:
    """What a deployment or a generation is of."""
    return Version(spec=view.spec, code=view.code, model=view.model)


def generation_list(views: Iterable[GenerationView]) -> Table:
    """Generations, a row each."""
    table = new_table("Generation", "Time", "State", "Change", "Reason")
    for view in views:
        table.add_row(
            str(view.generation),
            time_text(view.at_s),
            state_text(view.state),
            view.change,
            headline(view.reason),
        )
    return table


def comparison_text(comparison: Comparison) -> Text:
    """The unified diff, coloured where there is colour."""
    if not comparison.diff:
        return Text(f"generations {comparison.before} and {comparison.after} do not differ")
    text = Text()
    for line in comparison.diff:
        text.append(f"{line}\n", style=STYLES.get(line[:1], ""))
    text.rstrip()
    return text


def change_text(changes: Iterable[Difference]) -> str:
    """What an update is about to change."""
    lines = [f"  {change}" for change in changes]
    return "\n".join(["changes:", *lines]) if lines else "changes nothing"


def _yaml_text(version: Version) -> str:
    plain: dict[str, Any] = version.plain()
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return text
