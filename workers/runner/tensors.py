"""Requests as numpy arrays: the infer form of the Open Inference Protocol v2, JSON or binary.

numpy is that of the script's interpreter: this is imported only for deployments that ask for
tensors. Ring: values.

Source: Open Inference Protocol 2.0, "Inference Request JSON Object", binary tensor extension.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import numpy as np

from .adapt import Refusal

# The name in the protocol, numpy's, and the kinds of numpy that JSON numbers for it may have.
DATATYPES = {
    "BOOL": (np.dtype("?"), "b"),
    "UINT8": (np.dtype("u1"), "iu"),
    "UINT16": (np.dtype("<u2"), "iu"),
    "UINT32": (np.dtype("<u4"), "iu"),
    "UINT64": (np.dtype("<u8"), "iu"),
    "INT8": (np.dtype("i1"), "iu"),
    "INT16": (np.dtype("<i2"), "iu"),
    "INT32": (np.dtype("<i4"), "iu"),
    "INT64": (np.dtype("<i8"), "iu"),
    "FP16": (np.dtype("<f2"), "iuf"),
    "FP32": (np.dtype("<f4"), "iuf"),
    "FP64": (np.dtype("<f8"), "iuf"),
}
BYTES = "BYTES"
MOST_DIMENSIONS = 32
LENGTH_BYTES = 4
SHOWN = 60  # characters of a value in a message


class Wanted(NamedTuple):
    """An output that the request names; `is_binary` None: as the request says for all."""

    name: str
    is_binary: bool | None


class Question(NamedTuple):
    """A request: its inputs, and how it wants its outputs; no `wanted` means all there are."""

    id: str
    inputs: dict[str, Any]
    wanted: list[Wanted]
    is_binary: bool


class _Spec(NamedTuple):
    """What a request says of one input; `where` begins each message about it."""

    where: str
    name: str
    datatype: str
    shape: tuple[int, ...]
    size: int


def decode(body: bytes, head_bytes: int | None) -> Question:
    """Read a request. Its arrays are read-only, and views of the body where it is aligned.

    Args:
        body: JSON, then the raw bytes of the tensors that have a `binary_data_size`.
        head_bytes: length of the JSON; None if the body is nothing else.

    Raises:
        Refusal: it is not in order; the message names the input, what came and what is right.
    """
    at = len(body) if head_bytes is None else head_bytes
    if at > len(body):
        raise _bad(f"inference-header-content-length: {at}: the body has {len(body)} bytes")
    document = _document(body[:at])
    inputs: dict[str, Any] = {}
    for index, raw in enumerate(_objects(document, "inputs")):
        spec = _spec(raw, index)
        if spec.name in inputs:
            raise _bad(f"{spec.where}: there are two of this name")
        size = _flag(raw, "binary_data_size", spec.where, int)
        if size is None:
            array = _from_json(spec, raw.get("data"))
        else:
            array, at = _from_bytes(spec, body, at, size, "data" in raw), at + size
        inputs[spec.name] = array
    if not inputs:
        raise _bad("inputs: must be a list of at least one tensor")
    if at != len(body):
        raise _bad(
            f"{len(body) - at} bytes follow the last tensor; binary_data_size adds up to less"
        )
    is_binary = _flag(document, "binary_data_output", "request", bool)
    return Question(str(document.get("id", "")), inputs, _wanted(document), bool(is_binary))


def _bad(text: str) -> Refusal:
    return Refusal(400, text)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def _document(head: bytes) -> dict[str, Any]:
    try:
        document = json.loads(head)
    except (ValueError, RecursionError) as exc:
        raise _bad(
            f"the body is not JSON: {exc}; send an inference request of the Open Inference "
            "Protocol v2, with Inference-Header-Content-Length if tensors follow in binary"
        ) from None
    if not isinstance(document, dict):
        raise _bad("the body must be a JSON object with `inputs`")
    return document


def _objects(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _bad(f"{key}: must be a list of objects, one for each tensor")
    return found


def _name(raw: dict[str, Any], where: str) -> str:
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        raise _bad(f"{where}: name: {_shown(name)}: must be a text")
    return name


def _flag(raw: dict[str, Any], key: str, where: str, kind: type[int]) -> Any:
    """Return a parameter of a request or a tensor, None if it is not given."""
    parameters = raw.get("parameters") or {}
    value = parameters.get(key) if isinstance(parameters, dict) else None
    if value is not None and (type(value) is not kind or value < 0):
        what = "true or false" if kind is bool else "a number of bytes"
        raise _bad(f"{where}: {key}: {_shown(value)}: must be {what}")
    return value


def _wanted(document: dict[str, Any]) -> list[Wanted]:
    wanted = []
    for index, raw in enumerate(_objects(document, "outputs")):
        name = _name(raw, f"outputs[{index}]")
        wanted.append(Wanted(name, _flag(raw, "binary_data", f"output '{name}'", bool)))
    return wanted


def _spec(raw: dict[str, Any], index: int) -> _Spec:
    name = _name(raw, f"inputs[{index}]")
    where = f"input '{name}'"
    datatype: Any = raw.get("datatype")
    shape: Any = raw.get("shape")
    if datatype != BYTES and (not isinstance(datatype, str) or datatype not in DATATYPES):
        known = ", ".join([*DATATYPES, BYTES])
        raise _bad(f"{where}: datatype: {_shown(datatype)}: must be one of {known}")
    if not _is_shape(shape):
        rule = f"must be a list of at most {MOST_DIMENSIONS} whole numbers, none below 0"
        raise _bad(f"{where}: shape: {_shown(shape)}: {rule}")
    return _Spec(where, name, datatype, tuple(shape), math.prod(shape))


def _is_shape(shape: Any) -> bool:
    if not isinstance(shape, list) or len(shape) > MOST_DIMENSIONS:
        return False
    return all(type(length) is int and length >= 0 for length in shape)


def _from_json(spec: _Spec, data: Any) -> Any:
    if not isinstance(data, list):
        raise _bad(f"{spec.where}: data: must be a list of {spec.size} values, flat or nested")
    if spec.datatype == BYTES:
        leaves = _leaves(data, spec)
        if not all(isinstance(leaf, str) for leaf in leaves):
            raise _bad(f"{spec.where}: data: must be texts for {BYTES}; bytes go in binary")
        return _shaped(spec, _objects_array([leaf.encode("utf-8", "replace") for leaf in leaves]))
    dtype, kinds = DATATYPES[spec.datatype]
    try:
        raw = np.asarray(data)
    except ValueError:  # lists of different lengths
        raise _bad(f"{spec.where}: data: must be flat, or nested as the shape says") from None
    if raw.size and raw.dtype.kind not in kinds:
        raw = _exact(spec, data)
    if raw.ndim != 1 and raw.shape != spec.shape:
        came = list(raw.shape)
        raise _bad(f"{spec.where}: data: nested as {came}, the shape is {list(spec.shape)}")
    with np.errstate(over="ignore", invalid="ignore"):
        array = raw.astype(dtype)
    if not _is_same(raw, array):
        raise _bad(f"{spec.where}: data: holds a value that {spec.datatype} cannot")
    return _shaped(spec, array)


def _leaves(data: Any, spec: _Spec) -> list[Any]:
    """Return the values of nested lists in their order."""
    leaves = [data]
    for _ in range(max(1, len(spec.shape))):
        if not all(isinstance(leaf, list) for leaf in leaves):
            break
        leaves = [inner for leaf in leaves for inner in leaf]
    return leaves


def _exact(spec: _Spec, data: Any) -> Any:
    """Take numbers for which numpy finds no common type by itself, such as 1 and 2**63."""
    dtype, kinds = DATATYPES[spec.datatype]
    leaves = _leaves(data, spec)
    fits = (int, float) if "f" in kinds else (int,) if "i" in kinds else (bool,)
    for leaf in leaves:
        if type(leaf) not in fits:
            raise _bad(f"{spec.where}: data: {_shown(leaf)}: is no value of {spec.datatype}")
    try:
        if "f" in kinds:
            return np.array([float(leaf) for leaf in leaves])
        if dtype.kind == "u" and min(leaves) < 0:
            raise OverflowError  # numpy before 2 takes it for another number
        return np.array(leaves, dtype)
    except OverflowError:
        raise _bad(f"{spec.where}: data: holds a value that {spec.datatype} cannot") from None


def _is_same(raw: Any, array: Any) -> bool:
    """Whether no number has changed for want of room; less precision of fractions is no change."""
    if not raw.size or array.dtype.kind == "b":
        return True
    if array.dtype.kind == "f":
        return not bool((np.isinf(array) & np.isfinite(raw)).any())
    info = np.iinfo(array.dtype)
    return info.min <= int(raw.min()) and int(raw.max()) <= info.max


def _from_bytes(spec: _Spec, body: bytes, at: int, size: int, has_data: bool) -> Any:
    if has_data:
        raise _bad(f"{spec.where}: has data and binary_data_size: give one of them")
    if at + size > len(body):
        left = len(body) - at
        raise _bad(
            f"{spec.where}: binary_data_size: {size}: only {left} bytes are left of the body"
        )
    if spec.datatype == BYTES:
        return _shaped(spec, _texts(spec, body[at : at + size]))
    dtype = DATATYPES[spec.datatype][0]
    if size != spec.size * dtype.itemsize:
        needs = f"{spec.datatype} of shape {list(spec.shape)} has {spec.size * dtype.itemsize}"
        raise _bad(f"{spec.where}: binary_data_size: {size}: {needs}")
    if not size:
        return _shaped(spec, np.empty(0, dtype))
    array = np.frombuffer(body, dtype, spec.size, at)
    return _shaped(spec, array if array.flags.aligned else array.copy())


def _texts(spec: _Spec, data: bytes) -> Any:
    """Take elements apart, each with its length before it."""
    found: list[bytes] = []
    at = 0
    while at + LENGTH_BYTES <= len(data) and len(found) < spec.size:
        end = at + LENGTH_BYTES + int.from_bytes(data[at : at + LENGTH_BYTES], "little")
        found.append(data[at + LENGTH_BYTES : end])
        at = end
    if at != len(data):
        raise _bad(f"{spec.where}: the lengths of its elements do not add up to {len(data)} bytes")
    return _objects_array(found)


def _objects_array(values: list[bytes]) -> Any:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _shaped(spec: _Spec, array: Any) -> Any:
    if array.size != spec.size:
        raise _bad(f"{spec.where}: {array.size} values, shape {list(spec.shape)} has {spec.size}")
    try:
        array = array.reshape(spec.shape)
    except (ValueError, OverflowError) as exc:  # one dimension is 0, another beyond all measure
        raise _bad(f"{spec.where}: shape: {list(spec.shape)}: {exc}") from None
    array.flags.writeable = False
    return array
