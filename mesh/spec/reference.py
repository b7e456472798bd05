"""The key tables of `docs/spec.md`, made from the structs and the support table. Ring: values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from mesh.spec.check import bare, members, struct_of
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.endpoint import EndpointSpec
from mesh.spec.support import DEPLOYMENT, EACH, ENDPOINT, Support, support_of
from mesh.spec.violation import Path, path_text, value_text

BLOCK: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
NAMES: Final[dict[type[inspect.Type], str]] = {
    inspect.StrType: "text",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.StructType: "mapping",
    inspect.DictType: "mapping",
    inspect.ListType: "list",
    inspect.AnyType: "any",
}


class Key(msgspec.Struct, frozen=True):
    """One key of the YAML."""

    path: Path
    field: inspect.Field
    description: str


def keys_of(spec: type[msgspec.Struct]) -> list[Key]:
    """Every key of a spec and of the mappings in it, in order."""
    return list(_keys(struct_of(spec), ()))


def _keys(struct: inspect.StructType, path: Path) -> Iterator[Key]:
    for field in struct.fields:
        here = (*path, field.encode_name)
        yield Key(here, field, _description(field.type))
        for option in members(field.type):
            if isinstance(option, inspect.StructType):
                yield from _keys(option, here)
            elif isinstance(option, inspect.DictType):
                inner = bare(option.value_type)
                if isinstance(inner, inspect.StructType):
                    yield from _keys(inner, (*here, EACH))
            elif isinstance(option, inspect.ListType):
                part = bare(option.item_type)
                if isinstance(part, inspect.StructType):
                    yield from _keys(part, (*here, EACH))


def _description(kind: inspect.Type) -> str:
    notes = kind.extra_json_schema if isinstance(kind, inspect.Metadata) else None
    return str((notes or {}).get("description", ""))


def replace_tables(page: str) -> str:
    """Return a Markdown page with the text between each pair of table markers made anew."""
    tables = {
        "endpoint": lambda: table_text(EndpointSpec, ENDPOINT),
        "deployment": lambda: table_text(DeploymentSpec, DEPLOYMENT),
    }
    return BLOCK.sub(lambda match: match[1] + tables[match[2]]() + match[3], page)


def table_text(spec: type[msgspec.Struct], table: Mapping[str, Support]) -> str:
    """A Markdown table of a spec's keys."""
    lines = ["| key | type | default | this release | meaning |", "|---|---|---|---|---|"]
    for key in keys_of(spec):
        does = _support_text(table, key.path)
        cells = [f"`{path_text(key.path)}`", _type_text(key.field.type), _default(key.field)]
        lines.append(f"| {' | '.join([*cells, does, key.description])} |")
    return "\n".join(lines) + "\n"


def _support_text(table: Mapping[str, Support], path: Path) -> str:
    """What this release does with a key; the note stands at the outermost key it is true for."""
    support = support_of(table, path)
    if support is None:
        return "by key"
    is_own = ".".join(str(part) for part in path) in table
    return f"{support.level}: {support.note}" if support.note and is_own else support.level


def _type_text(kind: inspect.Type) -> str:
    return " or ".join(dict.fromkeys(_one_type_text(option) for option in members(kind)))


def _one_type_text(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.LiteralType):
        return ", ".join(f"`{value}`" for value in kind.values)
    return NAMES[type(kind)]


def _default(field: inspect.Field) -> str:
    if field.required:
        return "**required**"
    default: Any = field.default
    if default is None or isinstance(default, msgspec.Struct) or default is msgspec.NODEFAULT:
        return ""
    return f"`{value_text(default)}`".replace("'", "")
