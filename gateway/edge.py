"""The HTTP edge: how an answer's head is written. Ring: decisions."""

from __future__ import annotations

import functools
import http
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from gateway.admission import retry_after
from mesh import wire
from mesh.errors import BackendError, MeshError, error_body
from mesh.statuses import status_of

RETRY_AFTER_S: Final = 1

STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    for status in http.HTTPStatus
}

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS: Final = frozenset(
    (
        *("connection", "content-length", "content-type", "date", "keep-alive"),
        *("transfer-encoding", "upgrade", "trailer", "te", "proxy-connection"),
        *("x-request-id", "azureml-model-deployment", "x-ms-client-request-id"),
    )
)
_PLAIN: Final = re.compile(r"[\t\x20-\x7e]*")

CLOSE_LINE: Final = b"connection: close\r\n"


class Response(NamedTuple):
    """An answer but for what the connection adds. `head`: header lines, each ended by CRLF.

    `said`: the headers of the message it was made of, for those who answer with a message.
    """

    status: int
    head: bytes
    body: bytes
    said: Mapping[str, str] = {}


def encode(response: Response, lines: bytes) -> bytes:
    """Return an answer as HTTP/1.1 bytes, with these header lines besides its own."""
    status, head, body, _ = response
    return b"%b%b%bcontent-length: %d\r\n\r\n%b" % (
        STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status,
        head,
        lines,
        len(body),
        body,
    )


def encode_head(response: Response, size_bytes: int, lines: bytes) -> bytes:
    """Return the head of an answer whose body of this size follows in pieces."""
    status = STATUS_LINES.get(response.status) or b"HTTP/1.1 %d \r\n" % response.status
    return b"%b%b%bcontent-length: %d\r\n\r\n" % (status, response.head, lines, size_bytes)


def refusal(error: MeshError) -> Response:
    """Return what the client of a request that ended in `error` gets."""
    status = status_of(error.code)
    head = b"content-type: application/json\r\n"
    if status == 401:
        head += b"www-authenticate: Bearer\r\n"
    said = {wire.ERROR: error.code, wire.CONTENT_TYPE: wire.JSON}
    if status in (429, 503):
        after_s = retry_after(error.context.get("retry_after_s"))
        head += b"retry-after: %d\r\n" % after_s
        said[wire.RETRY_AFTER] = str(after_s)
    if isinstance(error, BackendError):
        head += model_error_lines(500, error.code)
    return Response(status, head, error_body(error.code, error.message), said)


def model_error_lines(model_status: int, reason: str) -> bytes:
    """Return the header lines that tell what the model itself said."""
    return (
        f"ms-azureml-model-error-statuscode: {model_status}\r\n"
        f"ms-azureml-model-error-reason: {reason}\r\n"
    ).encode()


def phrase_of(status: int) -> str:
    """Return the usual words for a status."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def answer(body: bytes, headers: Mapping[str, str]) -> tuple[Response, int]:
    """Turn a worker's answer into the client's; return it with the model's own status.

    The body is handed on unchanged. What the model says other than 2xx is 424, its own status in
    a header; what the worker says in the model's place has the status of its error code.
    """
    text = headers[wire.STATUS]
    model_status = int(text) if text.isdecimal() and len(text) == 3 else 500
    head = content_type_line(headers.get(wire.CONTENT_TYPE, ""))
    if wire.HTTP in headers:
        head += model_header_lines(headers[wire.HTTP])
    code = headers.get(wire.ERROR, "")
    if not code and 200 <= model_status < 300:
        return Response(model_status, head, body, headers), model_status
    code = code or BackendError.code
    status = status_of(code)
    if status == 424:
        reason = phrase_of(model_status) if code == BackendError.code else code
        head += model_error_lines(model_status, reason)
    if status in (429, 503):
        head += b"retry-after: %d\r\n" % RETRY_AFTER_S
    return Response(status, head, body, headers), model_status


def stored(body: bytes, headers: Mapping[str, str]) -> Response:
    """Turn a kept result into the answer to the one who asks for it."""
    status = int(headers[wire.STATUS])
    head = content_type_line(headers.get(wire.CONTENT_TYPE, ""))
    head += f"x-request-id: {headers[wire.REQUEST_ID]}\r\n".encode()
    if wire.DEPLOYMENT in headers:
        head += f"azureml-model-deployment: {headers[wire.DEPLOYMENT]}\r\n".encode()
    if wire.HTTP in headers:
        head += model_header_lines(headers[wire.HTTP])
    if status == 424:
        model_status, code = int(headers[wire.MODEL_STATUS]), headers[wire.ERROR]
        reason = phrase_of(model_status) if code == BackendError.code else code
        head += model_error_lines(model_status, reason)
    return Response(status, head, body, headers)


def model_header_lines(pairs_json: str) -> bytes:
    """Return the header lines a model added, a JSON list of pairs; what is unfit is left out."""
    try:
        pairs = msgspec.json.decode(pairs_json, type=list[tuple[str, str]])
    except msgspec.MsgspecError:
        return b""
    return "".join(
        f"{name.lower()}: {value}\r\n"
        for name, value in pairs
        if _NAME.fullmatch(name) and _PLAIN.fullmatch(value) and name.lower() not in _OURS
    ).encode("ascii")


@functools.lru_cache(maxsize=256)
def content_type_line(content_type: str) -> bytes:
    """Return the header line; a value that may not stand in one becomes a neutral type."""
    if not content_type or len(content_type) > 200 or _PLAIN.fullmatch(content_type) is None:
        content_type = "application/octet-stream"
    return f"content-type: {content_type}\r\n".encode()


@functools.lru_cache(maxsize=256)
def content_type_field(content_type: bytes | None) -> str:
    """Return the message header line for the content type a caller sent, empty if it sent none."""
    text = (content_type or b"")[:200].decode("latin-1")
    return f"{wire.CONTENT_TYPE}: {text}\r\n" if text and _PLAIN.fullmatch(text) else ""
