"""Answers from numpy arrays: the infer form of the Open Inference Protocol v2, JSON or binary.

Ring: values.

Source: Open Inference Protocol 2.0, "Inference Response JSON Object", binary tensor extension.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np

from .adapt import Refusal
from .tensors import BYTES, DATATYPES, LENGTH_BYTES, Question

NAME_OF = {dtype: name for name, (dtype, _) in DATATYPES.items()}
UNNAMED = "output"


class Reply(NamedTuple):
    """A body in parts: the JSON, and the raw bytes of the outputs that are sent so."""

    head: bytes
    tail: list[Any]


def sole_name(question: Question) -> str:
    """Return what an array that a script returned without a name is called."""
    return question.wanted[0].name if len(question.wanted) == 1 else UNNAMED


def encode(question: Question, results: dict[str, Any], model_name: str) -> Reply:
    """Word the answer to a request.

    Args:
        question: what was asked.
        results: arrays, or what numpy makes arrays of, by name.
        model_name: what the answer says of itself.

    Raises:
        Refusal: the request wants an output that is not there.
        TypeError: a result cannot be sent; it says which.
    """
    outputs: list[dict[str, Any]] = []
    tail: list[Any] = []
    for name, is_binary in _chosen(question, results):
        array = _array(name, results[name])
        datatype = BYTES if array.dtype == object else NAME_OF[array.dtype]
        output: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(array.shape)}
        if is_binary:
            part = _lengths_and_texts(array) if datatype == BYTES else array
            output["parameters"] = {"binary_data_size": part.nbytes}
            tail.append(part)
        else:
            output["data"] = _plain(name, array)
        outputs.append(output)
    answer: dict[str, Any] = {"model_name": model_name, "outputs": outputs}
    if question.id:
        answer["id"] = question.id
    return Reply(json.dumps(answer).encode(), tail)


def _chosen(question: Question, results: dict[str, Any]) -> list[tuple[str, bool]]:
    """Return the names to send, and which of them in binary."""
    if not question.wanted:
        return [(name, question.is_binary) for name in results]
    for wanted in question.wanted:
        if wanted.name not in results:
            there = ", ".join(map(str, results)) or "none"
            raise Refusal(400, f"output '{wanted.name}': the model has no such output, but {there}")
    return [
        (name, question.is_binary if is_binary is None else is_binary)
        for name, is_binary in question.wanted
    ]


def _array(name: Any, value: Any) -> Any:
    """Return a result as a C-contiguous little-endian array of a type that the protocol knows."""
    if not isinstance(name, str):
        raise TypeError(f"output {name!r}: its name must be a str")
    array = np.asarray(value)
    if array.dtype.kind in "SU":
        array = array.astype(object)
    if array.dtype == object:
        if not all(isinstance(one, (str, bytes)) for one in array.flat):
            raise TypeError(f"output '{name}': {type(value).__name__}: is no array of one type")
        return array
    dtype = array.dtype.newbyteorder("<")
    if dtype not in NAME_OF:
        raise TypeError(f"output '{name}': {array.dtype}: the protocol has no such datatype")
    return np.asarray(array, dtype, "C")


def _plain(name: str, array: Any) -> list[Any]:
    values: list[Any] = array.ravel().tolist()
    if array.dtype != object:
        return values
    try:
        return [one if isinstance(one, str) else one.decode() for one in values]
    except UnicodeDecodeError as exc:
        text = f"output '{name}': bytes that are no text travel in binary only: {exc}"
        raise Refusal(400, text) from None


def _lengths_and_texts(array: Any) -> Any:
    parts = []
    for one in array.flat:
        data = one.encode() if isinstance(one, str) else one
        parts += [len(data).to_bytes(LENGTH_BYTES, "little"), data]
    return memoryview(b"".join(parts))
