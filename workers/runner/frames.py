"""The frames between the supervisor and a runner process, and their incremental decoder.

A frame is a fixed header, then `meta`, then `body`. What every request and answer needs is in the
header, so that the usual frame has almost no meta. Shared by both sides, which run on one host.
Ring: values.
"""

from __future__ import annotations

import struct
from typing import Tuple

# From the supervisor.
REQUEST = 1
CANCEL = 2
PAUSE = 3
RESUME = 4
STOP = 5  # finish what you were handed, then leave
PING = 6  # say that you take frames
# From the runner.
READY = 16  # status tells whether run() is async
FAILED = 17  # the script did not boot; the body is the traceback
RESULT = 18  # the end of a request, with or without a body
CHUNK = 19  # a piece of a streamed answer; a RESULT follows
PONG = 20

KINDS = frozenset((*range(REQUEST, PING + 1), *range(READY, PONG + 1)))

# Flags. Without FIELDS the meta of a request is its id, and an answer is JSON without headers.
FIELDS = 1
RAISED = 2  # run() raised
CANCELLED = 4  # the request ended because it was cancelled

# Kind, flags, status, length of meta, length of body, microseconds of run(), number.
HEADER = struct.Struct("<BBHIIIQ")
META_LIMIT_BYTES = 4 << 20
BODY_LIMIT_BYTES = 1 << 30
MICROS_LIMIT = 0xFFFFFFFF

# Kind, flags, status, microseconds, number, meta, body. A plain tuple: a named one costs 0.3 us.
Frame = Tuple[int, int, int, int, int, bytes, bytes]

_LENGTH = struct.Struct("<I")


class FrameError(Exception):
    """The bytes are not a frame, or break a limit: the peer cannot be trusted any more."""


def head(kind: int, number: int = 0, status: int = 0, body_bytes: int = 0) -> bytes:
    """Return the header of a frame without meta."""
    return HEADER.pack(kind, 0, status, 0, body_bytes, 0, number)


def pack_fields(*fields: bytes) -> bytes:
    """Join fields into a meta, each with its length before it."""
    return b"".join([part for field in fields for part in (_LENGTH.pack(len(field)), field)])


def unpack_fields(meta: bytes, count: int) -> list[bytes]:
    """Take a meta of exactly `count` fields apart.

    Raises:
        FrameError: the lengths do not add up.
    """
    fields = []
    at = 0
    while at + _LENGTH.size <= len(meta):
        (length,) = _LENGTH.unpack_from(meta, at)
        at += _LENGTH.size + length
        fields.append(bytes(meta[at - length : at]))
    if at != len(meta) or len(fields) != count:
        raise FrameError(f"meta of {len(meta)} bytes is not {count} fields")
    return fields


class Decoder:
    """Cuts a byte stream into frames, however it is split; every byte is copied at most twice."""

    def __init__(self, body_limit_bytes: int = BODY_LIMIT_BYTES) -> None:
        self._limit_bytes = body_limit_bytes
        self._tail = b""  # less than a header
        self._part: bytearray | None = None  # a frame whose size is known, being filled
        self._filled = 0

    def __repr__(self) -> str:
        return f"<Decoder buffered={self._filled if self._part else len(self._tail)}>"

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """Take in the next bytes and return the frames they complete.

        Raises:
            FrameError: unknown kind, or a length over its limit.
        """
        frames: list[Frame] = []
        if self._part is not None:
            data = self._fill(memoryview(data), frames)
        elif self._tail:
            data = self._tail + data
            self._tail = b""
        at, end = 0, len(data)
        header_bytes = HEADER.size
        unpack = HEADER.unpack_from
        while end - at >= header_bytes:
            kind, flags, status, meta_bytes, body_bytes, micros, number = unpack(data, at)
            if meta_bytes > META_LIMIT_BYTES or body_bytes > self._limit_bytes or kind not in KINDS:
                raise FrameError(f"frame of kind {kind}, {meta_bytes + body_bytes} bytes")
            body_at = at + header_bytes + meta_bytes
            stop = body_at + body_bytes
            if stop > end:
                self._part = bytearray(stop - at)
                self._filled = end - at
                self._part[: end - at] = data[at:]
                return frames
            meta = bytes(data[at + header_bytes : body_at]) if meta_bytes else b""
            frames.append((kind, flags, status, micros, number, meta, bytes(data[body_at:stop])))
            at = stop
        if at < end:
            self._tail = bytes(data[at:])
        return frames

    def _fill(self, data: memoryview, frames: list[Frame]) -> memoryview:
        """Put bytes into the frame that is being filled; return what is left of them."""
        part = self._part
        assert part is not None
        take = min(len(part) - self._filled, len(data))
        part[self._filled : self._filled + take] = data[:take]
        self._filled += take
        if self._filled < len(part):
            return data[take:]
        self._part = None
        kind, flags, status, meta_bytes, _, micros, number = HEADER.unpack_from(part)
        view = memoryview(part)
        body_at = HEADER.size + meta_bytes
        meta = bytes(view[HEADER.size : body_at])
        frames.append((kind, flags, status, micros, number, meta, bytes(view[body_at:])))
        return data[take:]
