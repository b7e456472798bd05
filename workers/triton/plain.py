"""Protocol buffers as the JSON that Triton's own HTTP server makes of them.

Unlike the usual JSON form 64-bit numbers stay numbers and what is at its default is there.
Ring: values.
"""

from __future__ import annotations

from typing import Any


def plain(message: Any) -> dict[str, Any]:
    """Return the fields of a message; parts that are not set are left out."""
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if field.is_repeated or not field.has_presence or message.HasField(field.name)
    }


def _value(field: Any, value: Any) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        of = kind.fields_by_name["value"]
        return {key: _one(of, value[key]) for key in value}
    if field.is_repeated:
        return [_one(field, one) for one in value]
    return _one(field, value)


def _one(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return plain(value)
    return field.enum_type.values_by_number[value].name if field.enum_type is not None else value


def as_http(method: str, message: Any) -> Any:
    """Return the answer to `method` in the shape it has over HTTP."""
    values = plain(message)
    if method == "ModelConfig":
        return values["config"]
    if method == "RepositoryIndex":
        return [{key: text for key, text in one.items() if text} for one in values["models"]]
    return values
