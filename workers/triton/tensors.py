"""Tensors as JSON numbers and as the raw bytes of the v2 protocol. Ring: values."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from workers.triton.errors import V2Error

# The letters of `array` for what has one; all are little-endian, as every host of Triton is.
NUMBERS: Final = {
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "FP32": "f",
    "FP64": "d",
}
BINARY_ONLY: Final = frozenset({"FP16", "BF16"})
DATATYPES: Final = frozenset({*NUMBERS, *BINARY_ONLY, "BOOL", "BYTES"})
LENGTH: Final = struct.Struct("<I")


def elements(shape: Sequence[int]) -> int:
    """Return how many elements a tensor of this shape has."""
    return math.prod(shape)


def flat(name: str, data: Any) -> list[Any]:
    """Return the elements of a tensor that JSON gives flat, or as lists in lists.

    Raises:
        V2Error: it is no list, or some elements are lists and others are not.
    """
    if not isinstance(data, list):
        raise V2Error(f"input '{name}': data must be a list")
    while data and isinstance(data[0], list):
        if not all(isinstance(part, list) for part in data):
            raise V2Error(f"input '{name}': data mixes lists and values")
        data = list(chain.from_iterable(data))
    return list(data)


def raw_of(name: str, datatype: str, data: list[Any]) -> bytes:
    """Return the raw bytes of a tensor's elements.

    Raises:
        V2Error: an element is not of the datatype, or the datatype has no form in JSON.
    """
    if datatype in BINARY_ONLY:
        raise V2Error(f"input '{name}': {datatype} has no form in JSON: send it as binary data")
    try:
        if datatype == "BYTES":
            return b"".join([LENGTH.pack(len(one)) + one for one in [x.encode() for x in data]])
        if datatype == "BOOL":
            return _bools(data)
        return array(NUMBERS[datatype], data).tobytes()
    except (TypeError, AttributeError, OverflowError, UnicodeEncodeError) as exc:
        raise V2Error(f"input '{name}': data is not {datatype}: {exc}") from exc


def _bools(data: list[Any]) -> bytes:
    if not all(isinstance(one, bool) for one in data):
        raise TypeError("an element is neither true nor false")
    return bytes(data)


def data_of(name: str, datatype: str, raw: bytes) -> list[Any]:
    """Return the elements of a tensor as JSON has them.

    Raises:
        V2Error: they have no form in JSON.
    """
    if (letter := NUMBERS.get(datatype)) is not None:
        numbers = array(letter)
        numbers.frombytes(raw)
        return numbers.tolist()
    if datatype == "BOOL":
        return [byte != 0 for byte in raw]
    if datatype != "BYTES":
        raise V2Error(f"output '{name}': {datatype} has no form in JSON: ask for binary data")
    try:
        return [part.decode() for part in _parts(raw)]
    except UnicodeDecodeError as exc:
        raise V2Error(f"output '{name}': not UTF-8: ask for binary data") from exc


def _parts(raw: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(raw):
        (length,) = LENGTH.unpack_from(raw, at)
        at += LENGTH.size + length
        parts.append(raw[at - length : at])
    return parts
