"""Hold plain values against a struct and tell everything that does not fit.

`msgspec.convert` stops at the first problem; this walks the same types and finds all of them.
Ring: values.
"""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import inspect

from mesh.spec.limits import limit_broken
from mesh.spec.violation import MISSING, Path, Violation

WORDS: Final[dict[type[inspect.Type], str]] = {
    inspect.StrType: "text",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.StructType: "a mapping",
    inspect.DictType: "a mapping",
    inspect.ListType: "a list",
}


@functools.cache
def struct_of(spec: type[msgspec.Struct]) -> inspect.StructType:
    """What msgspec knows of a struct."""
    info = inspect.type_info(spec)
    assert isinstance(info, inspect.StructType)
    return info


def bare(kind: inspect.Type) -> inspect.Type:
    """A type without its description."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind


def members(kind: inspect.Type) -> list[inspect.Type]:
    """The alternatives of a type, None left out."""
    kind = bare(kind)
    if not isinstance(kind, inspect.UnionType):
        return [kind]
    return [bare(m) for m in kind.types if not isinstance(bare(m), inspect.NoneType)]


def check(values: object, spec: type[msgspec.Struct]) -> list[Violation]:
    """Return everything in `values` that keeps it from being a `spec`."""
    return list(_check(values, struct_of(spec), ()))


def _check(value: object, kind: inspect.Type, path: Path) -> Iterator[Violation]:
    kind = bare(kind)
    if isinstance(kind, inspect.AnyType):
        return
    if isinstance(kind, inspect.UnionType):
        yield from _check_union(value, kind, path)
    elif not _fits(value, kind):
        yield Violation(path, value, f"must be {_word(kind)}")
    elif isinstance(kind, inspect.StructType):
        yield from _check_struct(value, kind, path)
    elif isinstance(kind, inspect.DictType):
        yield from _check_items(value, kind.value_type, path)
    elif rule := limit_broken(value, kind):
        yield Violation(path, value, rule)
    elif isinstance(kind, inspect.ListType):
        yield from _check_list(value, kind.item_type, path)


def _check_union(value: object, kind: inspect.UnionType, path: Path) -> Iterator[Violation]:
    if value is None and any(isinstance(bare(m), inspect.NoneType) for m in kind.types):
        return
    options = members(kind)
    for option in options:
        if _fits(value, option):
            yield from _check(value, option, path)
            return
    words = " or ".join(sorted({_word(option) for option in options}))
    yield Violation(path, value, f"must be {words}")


def _check_struct(value: Any, kind: inspect.StructType, path: Path) -> Iterator[Violation]:
    fields = {field.encode_name: field for field in kind.fields}
    for key, item in value.items():
        if key not in fields:
            yield Violation((*path, key), item, _unknown(key, sorted(fields)))
        elif item is not None:  # a key without a value is a key that is not given
            yield from _check(item, fields[key].type, (*path, key))
    for key, field in fields.items():
        if field.required and value.get(key) is None:
            yield Violation((*path, key), MISSING, "is required")


def _check_items(value: Any, kind: inspect.Type, path: Path) -> Iterator[Violation]:
    for key, item in value.items():
        yield from _check(item, kind, (*path, key))


def _check_list(value: Any, kind: inspect.Type, path: Path) -> Iterator[Violation]:
    for index, item in enumerate(value):
        yield from _check(item, kind, (*path, index))


def _fits(value: object, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.LiteralType):
        return isinstance(value, str | int) and value in kind.values
    if isinstance(value, bool):
        return isinstance(kind, inspect.BoolType)
    if isinstance(value, float):
        return isinstance(kind, inspect.FloatType) and math.isfinite(value)
    wanted: tuple[type[inspect.Type], ...] = {
        str: (inspect.StrType,),
        int: (inspect.IntType, inspect.FloatType),
        dict: (inspect.StructType, inspect.DictType),
        list: (inspect.ListType,),
    }.get(type(value), ())
    return isinstance(kind, wanted)


def _word(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.LiteralType):
        return f"one of {', '.join(str(value) for value in kind.values)}"
    return WORDS.get(type(kind), "something else")


def _unknown(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return f"unknown key, did you mean {close[0]}?" if close else "unknown key"
