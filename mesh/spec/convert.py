"""From a document to a struct, telling everything that is wrong at once. Ring: values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from mesh.errors import SpecError
from mesh.spec.check import check
from mesh.spec.document import Document
from mesh.spec.spelling import respell
from mesh.spec.violation import Path, Violation, path_text, value_text

S = TypeVar("S", bound=msgspec.Struct)
Rules = Callable[[S], Iterable[Violation]]


def convert(document: Document, spec: type[S], rules: Rules[S], early: list[Violation]) -> S:
    """Convert a document, or raise everything that is wrong with it.

    Args:
        document: the values and where they stand.
        spec: what to convert to.
        rules: what must hold beyond the types.
        early: what has been found wrong before.

    Raises:
        SpecError: something is wrong; one line for each.
    """
    values = respell(document.values, spec)
    broken = [*early, *check(values, spec)]
    sound = _without(values, {violation.path for violation in broken})
    converted: S | None = None
    try:
        converted = msgspec.convert(sound, spec)
    except msgspec.ValidationError as exc:
        if not broken:
            raise SpecError(f"{document.source}: {exc}") from exc
    else:
        broken += [v for v in rules(converted) if not _covered(v.path, broken)]
    if converted is None or broken:
        raise SpecError("\n".join(_lines(document, broken)))
    return converted


def _covered(path: Path, broken: Iterable[Violation]) -> bool:
    """Tell whether a rule is broken only because what is wrong was taken out first."""
    return any(violation.path[: len(path)] == path for violation in broken)


def _without(values: Any, paths: set[Path], here: Path = ()) -> Any:
    """Copy values without what stands at `paths`, and without keys that have no value."""
    if isinstance(values, dict):
        return {
            key: _without(value, paths, (*here, key))
            for key, value in values.items()
            if value is not None and (*here, key) not in paths
        }
    if isinstance(values, list):
        return [
            _without(value, paths, (*here, index))
            for index, value in enumerate(values)
            if (*here, index) not in paths
        ]
    return values


def _lines(document: Document, broken: Iterable[Violation]) -> list[str]:
    placed = [(document.place(violation.path), violation) for violation in broken]
    placed.sort(key=lambda pair: _line_number(pair[0]))
    return [_line(place, violation) for place, violation in placed]


def _line_number(place: str) -> int:
    digits = place.rpartition(":")[2]
    return int(digits) if digits.isdecimal() else 0


def _line(place: str, violation: Violation) -> str:
    if place in (f"--set {path_text(violation.path)}", flag(violation.path[-1])):
        return f"{place}: {value_text(violation.value)}: {violation.rule}"
    return f"{place}: {violation}"


def flag(key: str | int) -> str:
    """The command-line option of a top-level key."""
    return f"--{str(key).replace('_', '-')}"
