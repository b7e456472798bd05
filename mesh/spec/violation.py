"""What a spec breaks, as values: where, which value, and the rule. Ring: values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from mesh.errors import SpecError

Path = tuple[str | int, ...]

LONGEST_SHOWN: Final = 200  # a path to a deep folder is told whole


class _Missing:
    """The value of a key that should be there and is not."""

    def __repr__(self) -> str:
        return "missing"


MISSING: Final = _Missing()


class Violation(msgspec.Struct, frozen=True):
    """One broken rule."""

    path: Path
    value: Any
    rule: str

    def __str__(self) -> str:
        where = path_text(self.path)
        return ": ".join(part for part in (where, value_text(self.value), self.rule) if part)


def path_text(path: Path) -> str:
    """Write a path the way `--set` reads it: `a.b[0].c`."""
    text = ""
    for part in path:
        if isinstance(part, int) or not part or set(part) & set(".[]="):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def value_text(value: object) -> str:
    """Write a value as it stands in YAML, on one line and not too long."""
    if isinstance(value, Mapping):
        return "a mapping" if value else "{}"
    if isinstance(value, list):
        return "a list" if value else "[]"
    if isinstance(value, float) and not math.isfinite(value):
        return f".{value}".replace("-", "")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def problem_of(read: Callable[[str], object], text: str) -> str:
    """Say why a text cannot be read, as `read` says it with a ValueError; empty if it can be."""
    try:
        read(text)
    except ValueError as exc:
        return str(exc)
    return ""


def raise_violations(violations: Iterable[Violation]) -> None:
    """Raise one error that tells every violation, one line each; nothing if there is none.

    Raises:
        SpecError: there is a violation.
    """
    lines = [str(violation) for violation in violations]
    if lines:
        raise SpecError("\n".join(lines))
