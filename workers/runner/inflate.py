"""Bodies that came compressed. Ring: values."""

from __future__ import annotations

import zlib

from .adapt import Refusal
from .frames import BODY_LIMIT_BYTES

ENCODINGS = ("gzip", "deflate")
EITHER = zlib.MAX_WBITS | 32  # zlib tells the two apart by their first bytes


def inflate(body: bytes, encoding: str) -> bytes:
    """Return the body as it was before it was compressed.

    Raises:
        Refusal: it was compressed otherwise, is broken, or is too large.
    """
    if encoding.lower() == "identity":
        return body
    if encoding.lower() not in ENCODINGS:
        raise Refusal(400, f"content-encoding: {encoding}: must be one of {', '.join(ENCODINGS)}")
    machine = zlib.decompressobj(EITHER)
    try:
        plain = machine.decompress(body, BODY_LIMIT_BYTES)
    except zlib.error as exc:
        raise Refusal(400, f"content-encoding: {encoding}: the body is not: {exc}") from None
    if not machine.eof:
        what = "is too large" if machine.unconsumed_tail else "ends too early"
        raise Refusal(400, f"content-encoding: {encoding}: the body {what}")
    return plain
