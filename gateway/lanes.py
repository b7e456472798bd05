"""Putting requests on a deployment's `queued` lane: confirmed by its stream, or refused.

Ring: adapter.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.call import path_of, request_fields
from gateway.exchange import Exchange
from gateway.routes import Target
from mesh import subjects, wire
from mesh.bus import ApiError, Bus
from mesh.errors import QueueFullError
from mesh.streams import is_full, store
from mesh.subjects import Lane


class Place(NamedTuple):
    """Where a request is queued: a deployment, a lane of it, and how long it may wait there.

    `webhook` is who is told of its end.
    """

    target: Target
    lane: Lane
    timeout_s: float
    webhook: str = ""


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
    if place.webhook:
        headers[wire.WEBHOOK] = place.webhook
    target = place.target
    lines = request_fields(exchange, path_of(exchange), target).split("\r\n")
    headers |= dict(line.split(": ", 1) for line in lines if line)
    subject = subjects.work(target.endpoint, target.deployment, place.lane)
    try:
        ack = await store(bus, subject, exchange.body, headers)
    except ApiError as exc:
        if is_full(exc.err_code, exc.message):
            raise QueueFullError from exc
        raise
    return int(ack["seq"])
