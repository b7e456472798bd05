"""YAML text as plain values, with the place where each of them stands.

A stricter YAML than PyYAML's own: duplicate keys, tags, and anything that is not JSON are errors.
Ring: values.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import yaml

from mesh.errors import SpecError
from mesh.spec.violation import Path, path_text

MAX_NODES: Final = 20_000
MAX_DEPTH: Final = 40
LARGEST_INT: Final = 1 << 63
TEXT_MAPS: Final = frozenset({"environment_variables", "tags"})
TEXT_KEYS: Final = frozenset({"cpu", "memory", "nvidia.com/gpu"})
TIME_KEYS: Final = frozenset({"start", "end"})  # 18:30 is a time of day, not a number to base 60
TAG: Final = "tag:yaml.org,2002:"


class Document(msgspec.Struct, frozen=True):
    """A mapping as a file gave it, and where each value stands: `blue.yml:12`."""

    source: str
    values: dict[str, Any]
    places: dict[Path, str] = {}

    def place(self, path: Path) -> str:
        """Where a value, or what it should have stood in, was written."""
        for length in range(len(path), -1, -1):
            if place := self.places.get(path[:length]):
                return place
        return self.source


def read_document(text: str | bytes, source: str) -> Document:
    """Read one YAML mapping.

    Args:
        text: the YAML.
        source: what the text is called in messages, such as its file name.

    Raises:
        SpecError: it is not YAML, not a mapping, repeats a key, or holds what JSON cannot.
    """
    node = _compose(text, source)
    if not isinstance(node, yaml.MappingNode):
        raise SpecError(f"{source}:1: must be a mapping of keys to values")
    reader = _Reader(source)
    values = reader.mapping(node, ())
    if reader.errors:
        raise SpecError("\n".join(reader.errors))
    return Document(source, values, reader.places)


def read_value(text: str, path: Path, source: str) -> Any:
    """Read one value the way it would be read at `path` of a document.

    Raises:
        SpecError: it is not YAML, or holds what JSON cannot.
    """
    node = _compose(text, source)
    if node is None:
        return "" if _is_text(path) else None
    reader = _Reader(source)
    value = reader.value(node, path)
    if reader.errors:
        raise SpecError("\n".join(reader.errors))
    return value


def _compose(text: str | bytes, source: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else 1
        raise SpecError(f"{source}:{line}: not YAML: {exc.problem or exc.context}") from exc
    except yaml.YAMLError as exc:
        raise SpecError(f"{source}:1: not YAML: {' '.join(str(exc).split())}") from exc
    except RecursionError as exc:
        raise SpecError(f"{source}:1: nested too deeply") from exc
    return node


def _is_text(path: Path) -> bool:
    """Tell whether the scalar at `path` is text, whatever it looks like."""
    in_map = len(path) >= 2 and path[-2] in TEXT_MAPS
    is_amount = path[:1] == ("resources",) and path[-1] in TEXT_KEYS
    is_time = path[:1] == ("scale_settings",) and path[-1] in TIME_KEYS
    return in_map or is_amount or is_time


class _Reader:
    """Turns nodes into values; notes where they stand and what is wrong with them."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.places: dict[Path, str] = {}
        self.errors: list[str] = []
        self._scalars = yaml.SafeLoader("")
        self._nodes = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise SpecError(f"{self._at(node)}: too large or nested too deeply")
        if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
            return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        return self._refuse(node, path, f"tag {node.tag} is not supported")

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        self.places.setdefault(path, self._at(node))
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{TAG}merge":
                merged = {**self._merge(value_node, path), **merged}
                continue
            key = self._key(key_node, path)
            if key in own:
                self._refuse(key_node, (*path, key), "the key is there twice")
                continue
            self.places[(*path, key)] = self._at(key_node)
            own[key] = self.value(value_node, (*path, key))
        return {**merged, **own}

    def _merge(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for part in nodes:
            value = self.value(part, (*path, "<<"))
            if not isinstance(value, dict):
                self._refuse(part, (*path, "<<"), "must be a mapping")
                continue
            merged = {**value, **merged}
        return merged

    def _item(self, node: yaml.Node, path: Path) -> Any:
        self.places[path] = self._at(node)
        return self.value(node, path)

    def _key(self, node: yaml.Node, path: Path) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._refuse(node, path, "a key must be text")
            return ""
        if not _is_sound(node.value):
            self._refuse(node, path, "a key holds characters that are not text")
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if not _is_sound(node.value):
            return self._refuse(node, path, "holds characters that are not text")
        kind = node.tag.removeprefix(TAG)
        if kind == "null":
            return "" if _is_text(path) else None
        if kind in ("str", "timestamp", "value", "merge") or _is_text(path):
            return str(node.value)
        if kind in ("int", "float", "bool"):
            return self._plain(node)
        return self._refuse(node, path, f"tag {node.tag} is not supported")

    def _plain(self, node: yaml.ScalarNode) -> Any:
        try:
            value = self._scalars.construct_object(node)
        except (ValueError, KeyError, IndexError, OverflowError):
            return str(node.value)
        if isinstance(value, int) and not -LARGEST_INT <= value < LARGEST_INT:
            return str(node.value)
        return value

    def _at(self, node: yaml.Node) -> str:
        return f"{self.source}:{node.start_mark.line + 1}"

    def _refuse(self, node: yaml.Node, path: Path, rule: str) -> None:
        where = path_text(path)
        parts = [self._at(node), where, rule] if where else [self._at(node), rule]
        self.errors.append(": ".join(parts))


def _is_sound(text: str) -> bool:
    """Tell whether `text` can be written as UTF-8 and handed to a process."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
