"""Which numbers, texts and lists a key takes beyond its type. Ring: values."""

from __future__ import annotations

import re
from typing import Any

from msgspec import inspect


def limit_broken(value: Any, kind: inspect.Type) -> str:
    """Return the limit that a value of the right type breaks; empty if it keeps all."""
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return _number(value, kind)
    if isinstance(kind, inspect.StrType | inspect.ListType) and (rule := _length(value, kind)):
        return rule
    if isinstance(kind, inspect.StrType) and kind.pattern and not re.search(kind.pattern, value):
        return f"must match {kind.pattern}"
    return ""


def range_text(low: float | None, high: float | None) -> str:
    """Say which numbers are allowed."""
    if low is None:
        return f"must be at most {high:g}"
    return f"must be at least {low}" if high is None else f"must be between {low} and {high}"


def _number(value: Any, kind: inspect.IntType | inspect.FloatType) -> str:
    low, above, high = kind.ge, kind.gt, kind.le
    if above is not None and not value > above:
        return f"must be above {above:g}"
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        return range_text(low, high)
    return ""


def _length(value: Any, kind: inspect.StrType | inspect.ListType) -> str:
    least, most = kind.min_length, kind.max_length
    noun = "characters" if isinstance(kind, inspect.StrType) else "entries"
    if least is not None and len(value) < least:
        return "must not be empty" if least == 1 else f"must have {least} {noun} at least"
    if most is not None and len(value) > most:
        return f"must have at most {most} {noun}, has {len(value)}"
    return ""
