"""What a message of a kept lane must be to be run: a producer may have put it there by itself.

Everything a gateway checks before it queues a request is checked here again. Ring: decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from mesh import wire
from mesh.errors import RequestError
from mesh.names import REQUEST_ID_RULE, is_request_id
from mesh.topology import RESULT_TTL_S
from mesh.v2 import check_v2, is_v2
from workers.exchange import DEFAULT_PATH

LONGEST_MS: Final = RESULT_TTL_S * 1000
GATEWAYS: Final = (wire.NOT_BEFORE, wire.EXPIRES, wire.PRIORITY, wire.IDEMPOTENCY_KEY)
METHODS: Final = ("POST", "GET")
HTTP_CHARS: Final = 16 * 1024

_pairs: Final = msgspec.json.Decoder(list[tuple[str, str]])


def fault(headers: Mapping[str, str]) -> str:
    """Say what is wrong with a message of a kept lane: the header, its value and the rule."""
    request_id = headers.get(wire.REQUEST_ID, "")
    if not is_request_id(request_id):
        return f"{wire.REQUEST_ID}: {request_id!r}: expected {REQUEST_ID_RULE}"
    if headers.get(wire.REPLY):
        return f"{wire.REPLY}: the result is kept, and told nowhere else"
    if wire.MSG_TTL in headers:
        return f"{wire.MSG_TTL}: the broker would drop it without a word; use {wire.TIMEOUT_MS}"
    for name in GATEWAYS:
        if name in headers:
            return f"{name}: it is a gateway that keeps to it: use mesh.enqueue"
    timeout_ms = headers.get(wire.TIMEOUT_MS)
    if timeout_ms is not None and int(timeout_ms) > LONGEST_MS:
        return f"{wire.TIMEOUT_MS}: {timeout_ms!r}: expected at most {LONGEST_MS} milliseconds"
    return _place_fault(headers) or _http_fault(headers.get(wire.HTTP))


def _place_fault(headers: Mapping[str, str]) -> str:
    method = headers.get(wire.METHOD, METHODS[0])
    path = headers.get(wire.PATH, DEFAULT_PATH)
    if method not in METHODS:
        return f"{wire.METHOD}: {method!r}: expected POST or GET"
    if path.partition("?")[0] == DEFAULT_PATH and path.isascii() and path.isprintable():
        return ""
    if not is_v2(path):
        return f"{wire.PATH}: {path!r}: expected {DEFAULT_PATH}, /v2 or /v2/..."
    try:
        check_v2(path)
    except RequestError as exc:
        return f"{wire.PATH}: {path!r}: {exc}"
    return ""


def _http_fault(text: str | None) -> str:
    if text is None:
        return ""
    rule = f"expected a JSON list of pairs of texts, at most {HTTP_CHARS} characters"
    if len(text) > HTTP_CHARS:
        return f"{wire.HTTP}: {len(text)} characters: {rule}"
    try:
        _pairs.decode(text)
    except msgspec.MsgspecError:
        return f"{wire.HTTP}: {text[:64]!r}: {rule}"
    return ""
