"""Between frames and the script: what `run` is called with, and what its result becomes.

Everything that a scoring script may expect of a request, or return, is decided here; the two
loops only move frames. Ring: values and decisions.
"""

from __future__ import annotations

import inspect
import json
import types
from typing import Any, Callable, NamedTuple

from .frames import CHUNK, FIELDS, HEADER, RAISED, RESULT, pack_fields, unpack_fields
from .script import HEADERS_PARAMETER, Script

REQUEST_FIELDS = 5  # request id, method, path, content type, headers as JSON list of pairs
RAISED_MESSAGE = "An unexpected error occurred in scoring script. Check the logs for more info."
NOT_JSON_MESSAGE = "An unexpected internal error occurred. Check the logs for more info."

_pack = HEADER.pack


class Refusal(Exception):  # noqa: N818  # an answer, not a fault
    """A request that `run` is not called for, or a result that cannot be sent."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Request(NamedTuple):
    """What a request frame says besides its body."""

    request_id: str
    headers: bytes = b""


class Form(NamedTuple):
    """How `run` is called for a request, what its result becomes, and the frame of that."""

    call: Callable[[Request, bytes], Any]
    encode: Callable[[Any], Any]
    answer: Callable[[int, int, Any], bytes]


def text_form(script: Script) -> Form:
    """Return how a script that takes text is called and answered."""
    return Form(caller(script), encode_result, answer)


def read_meta(flags: int, meta: bytes) -> Request:
    """Read the meta of a request frame."""
    if not flags & FIELDS:
        return Request(meta.decode())
    fields = unpack_fields(meta, REQUEST_FIELDS)
    return Request(fields[0].decode(), fields[4])


def caller(script: Script) -> Callable[[Request, bytes], Any]:
    """Return the function that calls `run` for a request.

    Raises (the returned function):
        Refusal: the body is not text.
        BaseException: whatever the script raises.
    """
    run, parameter, wants_headers = script.run, script.body_parameter, script.wants_headers

    def call(request: Request, body: bytes) -> Any:
        try:
            text = body.decode()
        except UnicodeDecodeError as exc:
            raise Refusal(400, f"Input cannot be decoded as UTF-8: {exc}") from None
        if wants_headers:
            return run(**{parameter: text, HEADERS_PARAMETER: read_headers(request.headers)})
        return run(**{parameter: text})

    return call


def read_headers(headers: bytes) -> dict[str, str]:
    """Return the caller's headers as one dict; values of a repeated name are joined."""
    found: dict[str, str] = {}
    pairs: list[list[str]] = json.loads(headers) if headers else []
    for name, value in pairs:
        found[name] = found[name] + ", " + value if name in found else value
    return found


def is_stream(result: Any) -> bool:
    """Whether a result is sent in pieces as it is produced."""
    return isinstance(result, (types.GeneratorType, types.AsyncGeneratorType))


def encode_result(result: Any) -> bytes:
    """Return a result as JSON.

    Raises:
        Refusal: it cannot be.
    """
    try:
        return json.dumps(result).encode()
    except Exception as exc:  # a result may hold objects of any behaviour
        if inspect.iscoroutine(result):
            result.close()
        raise Refusal(500, NOT_JSON_MESSAGE) from exc


def answer(number: int, micros: int, data: bytes) -> bytes:
    """Return the frame of the usual answer."""
    return _pack(RESULT, 0, 200, 0, len(data), micros, number) + data


def failure(number: int, micros: int, error: BaseException) -> bytes:
    """Return the frame that ends a request for which there is no result."""
    is_refusal = isinstance(error, Refusal)
    status = error.status if isinstance(error, Refusal) else 500
    message = str(error) if is_refusal else RAISED_MESSAGE
    data = json.dumps({"message": message}).encode()
    flags = 0 if is_refusal else RAISED
    return _pack(RESULT, flags, status, 0, len(data), micros, number) + data


def ending(number: int, micros: int, flags: int, status: int) -> bytes:
    """Return the frame that ends a request without a body."""
    return _pack(RESULT, flags, status, 0, 0, micros, number)


def chunk(number: int, value: Any, is_first: bool) -> bytes:
    """Return the frame of one piece: text and bytes as they are, other values as a JSON line.

    The first piece decides the content type of the answer.

    Raises:
        Refusal: the value cannot be sent.
    """
    if isinstance(value, str):
        content_type, data = b"text/plain; charset=utf-8", value.encode()
    elif isinstance(value, (bytes, bytearray, memoryview)):
        content_type, data = b"application/octet-stream", bytes(value)
    else:
        content_type, data = b"application/x-ndjson", encode_result(value) + b"\n"
    if not is_first:
        return _pack(CHUNK, 0, 200, 0, len(data), 0, number) + data
    meta = pack_fields(content_type, b"")
    return _pack(CHUNK, FIELDS, 200, len(meta), len(data), 0, number) + meta + data
