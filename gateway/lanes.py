"""Putting requests on a deployment's `queued` lane: confirmed by its stream, or refused.

Ring: adapter.
"""

from __future__ import annotations

import math
from typing import Final

from gateway.call import WISH_MS, WISH_S, path_of, request_fields
from gateway.exchange import Exchange
from gateway.pending import is_full
from gateway.routes import Target
from mesh import wire
from mesh.bus import ApiError, Bus
from mesh.deadline import shorter_timeout_s
from mesh.errors import QueueFullError
from mesh.streams import store
from mesh.topology import RESULT_TTL_S

LONGEST_S: Final = float(RESULT_TTL_S)  # for longer than that nothing is known of a request


async def put(
    bus: Bus, target: Target, exchange: Exchange, request_id: str, timeout_s: float
) -> None:
    """Queue a request; whoever finds it after `timeout_s` fails it instead of running it.

    There is no time to live on the message: the broker would remove it without a word.

    Raises:
        QueueFullError: the lane is full.
        BusError: it could not be queued, or nobody knows.
    """
    headers = {
        wire.REQUEST_ID: request_id,
        wire.MSG_ID: request_id,
        wire.TIMEOUT_MS: str(max(1, round(timeout_s * 1000))),
    }
    lines = request_fields(exchange, path_of(exchange), target).split("\r\n")
    headers |= dict(line.split(": ", 1) for line in lines if line)
    try:
        await store(bus, target.lane_queued, exchange.body, headers)
    except ApiError as exc:
        if is_full(exc.err_code, exc.message):
            raise QueueFullError from exc
        raise


def wished_timeout_s(headers: dict[bytes, bytes], default_s: float) -> float:
    """Return how long a request that came over HTTP may wait: its own wish, within a day."""
    if WISH_MS not in headers and WISH_S not in headers:
        return default_s
    wish_ms, wish_s = headers.get(WISH_MS, b""), headers.get(WISH_S, b"")
    wish = shorter_timeout_s(math.inf, wish_ms.decode("latin-1"), wish_s.decode("latin-1"))
    return default_s if wish == math.inf else min(wish, LONGEST_S)
