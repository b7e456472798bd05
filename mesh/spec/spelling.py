"""Words of a closed set, in any spelling that Azure takes: `Key` for `key`. Ring: values."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from mesh.spec.check import bare, members, struct_of


def respell(values: Any, spec: type[msgspec.Struct]) -> Any:
    """Return a copy of values in which such words are spelt as the struct spells them."""
    return _respell(values, struct_of(spec))


def _respell(value: Any, kind: inspect.Type) -> Any:
    for option in members(kind):
        if isinstance(value, str) and isinstance(option, inspect.LiteralType):
            words = {_plain(str(word)): word for word in option.values}
            return value if value in option.values else words.get(_plain(value), value)
        if isinstance(value, dict) and isinstance(option, inspect.StructType):
            kinds = {field.encode_name: field.type for field in option.fields}
            return {
                key: _respell(item, kinds[key]) if key in kinds else item
                for key, item in value.items()
            }
        if isinstance(value, dict) and isinstance(option, inspect.DictType):
            inner = bare(option.value_type)
            return {key: _respell(item, inner) for key, item in value.items()}
        if isinstance(value, list) and isinstance(option, inspect.ListType):
            return [_respell(item, option.item_type) for item in value]
    return value


def _plain(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()
