"""What still waits in the queue of a deployment that is deleted: it is enqueued anew.

Another deployment runs it, by the split; if the endpoint is gone too, a gateway gives it a failed
result that says so. Ring: service.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

import msgspec

from mesh import jobs, subjects, wire
from mesh.bus import Bus
from mesh.clock import parse_broker_time
from mesh.names import is_request_id
from mesh.records import JobRecord
from mesh.streams import KeptMessage, delete_message, next_message, store, stream_info
from mesh.subjects import KEPT_LANES, Lane
from mesh.topology import QUEUED_TIMEOUT_S

log = logging.getLogger("scaler.requeue")

LEAST_S: Final = 0.001
TIMEOUT_DIGITS: Final = 12  # a longer number may be one that cannot be read
KEY: Final = "idempotency-key"
PRIORITIES: Final[dict[Lane, str]] = {"queued": "normal", "background": "low"}
HANDED_ON: Final = (*(wire.CONTENT_TYPE, wire.TRACEPARENT, wire.METHOD, wire.PATH, wire.BODY),)


async def requeue(bus: Bus, endpoint: str, deployment: str) -> int:
    """Enqueue anew whatever has an id and waits in this queue; return how much it was.

    Each message is removed once its successor is safe: an interruption loses none, and makes at
    most one a second time, which is noticed by its id.

    Raises:
        BusError: the broker is away.
    """
    stream = subjects.work_stream(endpoint, deployment)
    info = await stream_info(bus, stream)
    if info is None:
        return 0
    now_s, moved = parse_broker_time(info["ts"]), 0
    for lane in KEPT_LANES:
        subject = subjects.work(endpoint, deployment, lane)
        seq = 0
        while (message := await next_message(bus, stream, subject, seq + 1)) is not None:
            seq = message.seq
            if is_request_id(message.headers.get(wire.REQUEST_ID, "")):
                await _move(bus, endpoint, lane, message, max(LEAST_S, left_s(message, now_s)))
                moved += 1
            await delete_message(bus, stream, seq)
    if moved:
        log.info("requeue.moved endpoint=%s deployment=%s requests=%d", endpoint, deployment, moved)
    return moved


async def _move(bus: Bus, endpoint: str, lane: Lane, message: KeptMessage, rest_s: float) -> None:
    request_id = message.headers[wire.REQUEST_ID]
    known = await jobs.find(bus, endpoint, request_id)
    webhook = message.headers.get(wire.WEBHOOK, "")
    # Without a place: the next message of that id is its own.
    record = JobRecord(timeout_s=rest_s, lane=lane, webhook=webhook)
    await jobs.note(bus, endpoint, request_id, record, known.seq if known else 0)
    headers = _headers(message, rest_s) | {wire.PRIORITY: PRIORITIES[lane]}
    await store(bus, subjects.enqueue(endpoint), message.body, headers)


def left_s(message: KeptMessage, now_s: float) -> float:
    """Return how long a queued request may still wait; not above 0 if its time has passed."""
    timeout_ms = message.headers.get(wire.TIMEOUT_MS, "")
    is_number = timeout_ms.isdecimal() and len(timeout_ms) <= TIMEOUT_DIGITS
    limit_s = int(timeout_ms) / 1000 if is_number else QUEUED_TIMEOUT_S
    return message.at_s + limit_s - now_s


def _headers(message: KeptMessage, rest_s: float) -> dict[str, str]:
    """Return the headers a producer would have sent; without `Nats-Msg-Id`, which is known."""
    request_id = message.headers[wire.REQUEST_ID]
    own = {wire.REQUEST_ID: request_id, wire.TIMEOUT_MS: str(max(1, round(rest_s * 1000)))}
    if wire.WEBHOOK in message.headers:
        own[wire.WEBHOOK] = message.headers[wire.WEBHOOK]
    return handed_on(message.headers) | own


def handed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what goes along of a message of a work queue: the caller's headers, and what it is.

    A producer may have written something else where the caller's headers are.
    """
    try:
        own = dict(msgspec.json.decode(headers.get(wire.HTTP, "[]"), type=list[tuple[str, str]]))
    except msgspec.MsgspecError:
        own = {}
    given = {name.lower(): text for name, text in headers.items()}
    return own | {name: given[name.lower()] for name in HANDED_ON if name.lower() in given}


def sent_again(headers: Mapping[str, str], request_id: str) -> dict[str, str]:
    """Return the headers of a request that a person sends again under an id of its own.

    Its idempotency key stays behind: that stands for the old one, which would be the answer.
    """
    own = {name: text for name, text in handed_on(headers).items() if name.lower() != KEY}
    return own | {wire.REQUEST_ID: request_id}
