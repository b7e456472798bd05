"""Changes given on the command line: `--set a.b[0]=1` and `--traffic "blue=90 green=10"`.

The semantics are those of the Azure CLI. Ring: values.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mesh.errors import SpecError
from mesh.spec.document import read_value
from mesh.spec.violation import Path, path_text

SEGMENT: Final = re.compile(r"\[([^\[\]]*)\]|([^.\[\]]+)")
PATH: Final = re.compile(r"(?:[^.\[\]]+|\[[^\[\]]*\])(?:\.[^.\[\]]+|\.?\[[^\[\]]*\])*")
INDEX: Final = re.compile(r"-?[0-9]{1,6}")


def apply_overrides(values: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a copy of a mapping with each `path=value` applied, in order.

    A value is read as YAML. Mappings on the way are made as needed; list items must exist.
    `a[b.c]` names a key that holds dots.

    Raises:
        SpecError: a path or a value cannot be read, or a path leads nowhere.
    """
    changed = copy.deepcopy(dict(values))
    for override in overrides:
        path, value = read_override(override)
        _set(changed, path, value, f"--set {override.partition('=')[0]}")
    return changed


def read_override(override: str) -> tuple[Path, Any]:
    """Take `path=value` apart.

    Raises:
        SpecError: it has no `=`, or one of the two cannot be read.
    """
    text, equals, value = override.partition("=")
    if not equals or not PATH.fullmatch(text):
        raise SpecError(f"--set {override!r}: must be a.b.c=value")
    path: Path = tuple(
        int(bracket) if INDEX.fullmatch(bracket) else bracket or plain
        for bracket, plain in SEGMENT.findall(text)
    )
    return path, read_value(value, path, f"--set {text}")


def _set(root: dict[str, Any], path: Path, value: Any, source: str) -> None:
    target: Any = root
    for position, part in enumerate(path[:-1]):
        target = _step(target, part, source, path[: position + 1])
    last = path[-1]
    if isinstance(target, dict):
        target[str(last)] = value
    else:
        target[_index(target, last, source, path)] = value


def _step(target: Any, part: str | int, source: str, path: Path) -> Any:
    if isinstance(target, list):
        index = _index(target, part, source, path)
        if not isinstance(target[index], dict | list):
            target[index] = {}
        return target[index]
    if not isinstance(target.get(str(part)), dict | list):
        if target.get(str(part)) is not None:
            raise SpecError(f"{source}: {path_text(path)} is neither a mapping nor a list")
        target[str(part)] = {}
    return target[str(part)]


def _index(target: list[Any], part: str | int, source: str, path: Path) -> int:
    index = part if isinstance(part, int) else -1
    if isinstance(part, str) and INDEX.fullmatch(part):
        index = int(part)
    if not 0 <= index < len(target):
        raise SpecError(f"{source}: {path_text(path)}: the list has {len(target)} items")
    return index


def parse_traffic(text: str | Iterable[str], option: str = "--traffic") -> dict[str, int]:
    """Read `blue=90 green=10`.

    Raises:
        SpecError: there is nothing, as when a variable is empty, a part is not `name=percent`, or
            a name is there twice.
    """
    parts = (text if isinstance(text, str) else " ".join(text)).split()
    if not parts:
        raise SpecError(f"{option}: '': must be name=percent, such as blue=90, or blue=0")
    traffic: dict[str, int] = {}
    for part in parts:
        name, _, percent = part.partition("=")
        digits = percent.removesuffix("%")
        if not name or not percent:
            raise SpecError(f"{option}: {part!r}: must be name=percent, such as blue=90")
        if not re.fullmatch("[0-9]{1,3}", digits) or int(digits) > 100:
            raise SpecError(f"{option}: {part!r}: must be a whole percentage from 0 to 100")
        if name in traffic:
            raise SpecError(f"{option}: {part!r}: {name} is there twice")
        traffic[name] = int(digits)
    return traffic
