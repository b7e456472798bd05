"""What the worker gives a runner and gets back, and how each is worded in frames.

Ring: values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import msgspec

from mesh.wire import JSON, LogLine
from workers.runner import frames
from workers.runner.frames import HEADER, Frame

DEFAULT_PATH: Final = "/score"


class RunRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A request for a runner. `headers` is a JSON list of name/value pairs, or empty.

    `number` is unique among those in hand. Times are monotonic; `begin_by_s` is not after
    `deadline_s`, and earlier if it would be begun in vain.
    """

    number: int
    request_id: str
    body: bytes
    method: str = "POST"
    path: str = DEFAULT_PATH
    content_type: str = JSON
    headers: bytes = b""
    deadline_s: float = float("inf")
    begin_by_s: float = float("inf")


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a runner said about a request: a piece of its answer (`final` false), or its end.

    A streamed answer's end has no body and `chunks` > 0. `raised`: run() raised; `cancelled`: it
    ended because it was cancelled; `expired`: it was never begun, its deadline had passed.
    """

    number: int
    status: int
    body: bytes
    content_type: str = JSON
    headers: bytes = b""
    run_ms: float = 0.0
    raised: bool = False
    cancelled: bool = False
    expired: bool = False
    final: bool = True
    chunks: int = 0


Cause = Literal["closed", "boot", "crashed", "overdue", "cancelled", "unhealthy", "killed"]


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How a runner process ended, and which requests have no outcome.

    `started` may have brought it down; `waiting` have no part in its end: never begun, or known
    to be innocent; `stopped` are those it was stopped for, overdue or cancelled: they are over.
    """

    pid: int
    cause: Cause
    reason: str
    started: frozenset[int] = frozenset()
    waiting: frozenset[int] = frozenset()
    stopped: frozenset[int] = frozenset()


class Callbacks(NamedTuple):
    """Who hears what about runners; all are sync. `on_room`: readiness or room has changed."""

    on_result: Callable[[Outcome], None]
    on_log: Callable[[LogLine], None]
    on_exit: Callable[[Exit], None]
    on_room: Callable[[], None] = lambda: None


def request_head(request: RunRequest) -> bytes:
    """Return the header and meta of a request frame; its body follows."""
    flags, meta = 0, request.request_id.encode()
    if (
        request.headers
        or request.path != DEFAULT_PATH
        or request.method != "POST"
        or request.content_type != JSON
    ):
        flags = frames.FIELDS
        words = (request.method, request.path, request.content_type)
        meta = frames.pack_fields(meta, *[word.encode() for word in words], request.headers)
    sizes = (len(meta), len(request.body))
    return HEADER.pack(frames.REQUEST, flags, 0, *sizes, 0, request.number) + meta


def outcome(frame: Frame, *, final: bool, chunks: int = 0) -> Outcome:
    """Return what a RESULT or CHUNK frame says."""
    _, flags, status, micros, number, meta, body = frame
    content_type, headers = JSON, b""
    if flags & frames.FIELDS:
        kind, headers = frames.unpack_fields(meta, 2)
        content_type = kind.decode()
    return Outcome(
        number=number,
        status=status,
        body=body,
        content_type=content_type,
        headers=headers,
        run_ms=micros / 1000,
        raised=bool(flags & frames.RAISED),
        cancelled=bool(flags & frames.CANCELLED),
        final=final,
        chunks=chunks,
    )
