"""Putting requests on a deployment's `queued` lane: confirmed by its stream, or refused.

Ring: adapter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.call import WISH_MS, WISH_S, path_of, request_fields
from gateway.exchange import Exchange
from gateway.pending import QUEUE_FULL
from gateway.routes import Target
from mesh import subjects, wire
from mesh.bus import ApiError, Bus
from mesh.deadline import shorter_timeout_s
from mesh.errors import QueueFullError, RequestError
from mesh.streams import store
from mesh.subjects import Lane
from mesh.topology import RESULT_TTL_S

PRIORITY: Final = wire.PRIORITY.lower().encode()
NORMAL: Final = b"normal"
PRIORITIES: Final[dict[str, Lane]] = {"normal": "queued", "low": "background"}
LONGEST_S: Final = float(RESULT_TTL_S)  # for longer than that nothing is known of a request


class Place(NamedTuple):
    """Where a request is queued: a deployment, a lane of it, and how long it may wait there."""

    target: Target
    lane: Lane
    timeout_s: float


async def put(bus: Bus, place: Place, exchange: Exchange, request_id: str) -> int:
    """Queue a request; return its number in the queue.

    Whoever finds it after its time limit fails it instead of running it. There is no time to live
    on the message: the broker would remove it without a word.

    Raises:
        QueueFullError: the lane is full.
        BusError: it could not be queued, or nobody knows.
    """
    headers = {
        wire.REQUEST_ID: request_id,
        wire.MSG_ID: request_id,
        wire.TIMEOUT_MS: str(max(1, round(place.timeout_s * 1000))),
    }
    target = place.target
    lines = request_fields(exchange, path_of(exchange), target).split("\r\n")
    headers |= dict(line.split(": ", 1) for line in lines if line)
    subject = subjects.work(target.endpoint, target.deployment, place.lane)
    try:
        ack = await store(bus, subject, exchange.body, headers)
    except ApiError as exc:
        if exc.err_code == QUEUE_FULL:
            raise QueueFullError from exc
        raise
    return int(ack["seq"])


def lane_of(headers: Mapping[bytes, bytes]) -> Lane:
    """Return the lane for the priority that a caller asks for.

    Raises:
        RequestError: there is no such priority.
    """
    priority = headers.get(PRIORITY, NORMAL).decode("latin-1")
    lane = PRIORITIES.get(priority)
    if lane is None:
        raise RequestError(f"{wire.PRIORITY}: {priority!r}: expected {' or '.join(PRIORITIES)}")
    return lane


def wished_timeout_s(headers: dict[bytes, bytes], default_s: float) -> float:
    """Return how long a request that came over HTTP may wait: its own wish, within a day."""
    if WISH_MS not in headers and WISH_S not in headers:
        return default_s
    wish_ms, wish_s = headers.get(WISH_MS, b""), headers.get(WISH_S, b"")
    wish = shorter_timeout_s(math.inf, wish_ms.decode("latin-1"), wish_s.decode("latin-1"))
    return default_s if wish == math.inf else min(wish, LONGEST_S)
