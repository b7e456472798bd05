"""The v2 inference protocol in HTTP: JSON, and JSON with binary tensors behind it.

A request becomes an `Inference`, whose tensors are raw bytes; what the model says goes back as the
caller asked for it. Binary tensors are slices of the body. Ring: values.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NamedTuple

import msgspec

from mesh.wire import JSON
from workers.triton.errors import V2Error
from workers.triton.tensors import DATATYPES, data_of, elements, flat, raw_of

BINARY: Final = "application/octet-stream"
HEADER_LENGTH: Final = "Inference-Header-Content-Length"

Parameters = dict[str, bool | int | float | str]


class Tensor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A named tensor as raw bytes."""

    name: str
    datatype: str
    shape: list[int]
    raw: bytes
    parameters: Parameters = {}


class Wanted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An output that the caller asked for by name."""

    name: str
    parameters: Parameters = {}


class Inference(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a model is asked. `binary`: how outputs go back, by name; `all_binary`: the others."""

    inputs: list[Tensor]
    outputs: list[Wanted] = []
    id: str = ""
    parameters: Parameters = {}
    binary: dict[str, bool] = {}
    all_binary: bool = False


class Inferred(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a model said."""

    model_name: str
    model_version: str
    outputs: list[Tensor]
    id: str = ""
    parameters: Parameters = {}


class Worded(NamedTuple):
    """A body, its content type, and how long its JSON part is if tensors follow it."""

    body: bytes
    content_type: str = JSON
    json_bytes: int | None = None


class _Input(msgspec.Struct, kw_only=True):
    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = {}
    data: Any = None


class _Output(msgspec.Struct, kw_only=True):
    name: str
    parameters: Parameters = {}


class _Request(msgspec.Struct, kw_only=True):
    inputs: list[_Input]
    outputs: list[_Output] = []
    id: str = ""
    parameters: Parameters = {}


class _Reading(NamedTuple):
    """The binary part of a body that is being cut into tensors."""

    body: bytes
    at: int


_decode = msgspec.json.Decoder(_Request).decode
_encode = msgspec.json.Encoder().encode


def read_inference(body: bytes, json_bytes: int | None = None) -> Inference:
    """Read a request.

    Args:
        body: all of it, uncompressed.
        json_bytes: how long its JSON part is; None: it is nothing else.

    Raises:
        V2Error: it is not a request of the protocol.
    """
    at = len(body) if json_bytes is None else json_bytes
    if not 0 < at <= len(body):
        raise V2Error(
            f"{HEADER_LENGTH}: {at}: must be between 1 and the length of the body, {len(body)}; "
            f"a body that is one raw tensor is not supported"
        )
    request = _parse(body[:at])
    inputs = []
    for given in request.inputs:
        tensor, at = _tensor(given, _Reading(body, at))
        inputs.append(tensor)
    if at != len(body):
        raise V2Error(f"{len(body) - at} bytes of binary data belong to no input")
    return _inference(request, inputs)


def _parse(text: bytes) -> _Request:
    try:
        return _decode(text)
    except msgspec.ValidationError as exc:
        raise V2Error(f"not a v2 inference request: {exc}") from exc
    except msgspec.DecodeError as exc:
        return _parse_loosely(text, exc)


def _parse_loosely(text: bytes, error: msgspec.DecodeError) -> _Request:
    """Read what only differs from JSON by NaN and Infinity, which Triton and its client write."""
    try:
        return msgspec.convert(json.loads(text), _Request)
    except msgspec.ValidationError as exc:
        raise V2Error(f"not a v2 inference request: {exc}") from exc
    except (ValueError, RecursionError):
        raise V2Error(f"the body is not JSON: {error}") from error


def _tensor(given: _Input, reading: _Reading) -> tuple[Tensor, int]:
    name, datatype, parameters = given.name, given.datatype, given.parameters
    if datatype not in DATATYPES:
        raise V2Error(f"input '{name}': {datatype!r} is not a datatype of the v2 protocol")
    _refuse_shared_memory(f"input '{name}'", parameters)
    at = reading.at
    size = parameters.pop("binary_data_size", None)
    if size is None:
        data = flat(name, given.data)
        if len(data) != elements(given.shape):
            raise V2Error(
                f"input '{name}': shape {given.shape} has {elements(given.shape)} elements, "
                f"data has {len(data)}"
            )
        raw = raw_of(name, datatype, data)
    elif given.data is not None:
        raise V2Error(f"input '{name}': has both data and binary_data_size")
    elif type(size) is not int or not 0 <= size <= len(reading.body) - at:
        raise V2Error(
            f"input '{name}': binary_data_size: {size!r}: must be between 0 and what is left of "
            f"the body, {len(reading.body) - at} bytes"
        )
    else:
        raw = reading.body[at : at + size]
        at += size
    tensor = Tensor(name=name, datatype=datatype, shape=given.shape, raw=raw, parameters=parameters)
    return tensor, at


def _inference(request: _Request, inputs: list[Tensor]) -> Inference:
    all_binary = request.parameters.pop("binary_data_output", False) is True
    outputs, binary = [], {}
    for asked in request.outputs:
        _refuse_shared_memory(f"output '{asked.name}'", asked.parameters)
        binary[asked.name] = asked.parameters.pop("binary_data", all_binary) is True
        outputs.append(Wanted(name=asked.name, parameters=asked.parameters))
    return Inference(
        inputs=inputs,
        outputs=outputs,
        id=request.id,
        parameters=request.parameters,
        binary=binary,
        all_binary=all_binary,
    )


def _refuse_shared_memory(what: str, parameters: Parameters) -> None:
    for key in parameters:
        if key.startswith("shared_memory"):
            raise V2Error(
                f"{what}: {key}: shared memory does not reach through the mesh: send the data"
            )


def word_inferred(said: Inferred, asked: Inference) -> Worded:
    """Word what the model said, as the caller asked for it.

    Raises:
        V2Error: a tensor was asked for as JSON and has no form in it.
    """
    head: dict[str, Any] = {"id": said.id} if said.id else {}
    head |= {"model_name": said.model_name, "model_version": said.model_version}
    if said.parameters:
        head["parameters"] = said.parameters
    tensors: list[bytes] = []
    head["outputs"] = [_worded_output(tensor, asked, tensors) for tensor in said.outputs]
    text = _encode(head) if _is_finite(head["outputs"]) else json.dumps(head).encode()
    if not tensors:
        return Worded(text)
    return Worded(b"".join((text, *tensors)), BINARY, len(text))


def _worded_output(tensor: Tensor, asked: Inference, tensors: list[bytes]) -> dict[str, Any]:
    name, datatype = tensor.name, tensor.datatype
    output: dict[str, Any] = {"name": name, "datatype": datatype, "shape": tensor.shape}
    parameters = dict(tensor.parameters)
    if asked.binary.get(name, asked.all_binary):
        parameters["binary_data_size"] = len(tensor.raw)
        tensors.append(tensor.raw)
        return output | {"parameters": parameters}
    if parameters:
        output["parameters"] = parameters
    return output | {"data": data_of(name, datatype, tensor.raw)}


def _is_finite(outputs: list[dict[str, Any]]) -> bool:
    """Tell whether JSON proper can say every number; a sum is finite only if its parts are."""
    return all(
        math.isfinite(sum(output["data"]))
        for output in outputs
        if output["datatype"] in ("FP32", "FP64") and "data" in output
    )
