"""`Prefer: respond-async`: a request over HTTP that is queued, and answered with where to look.

Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import Final

import msgspec

from gateway import lanes
from gateway.call import (
    CONTENT_TYPE,
    DEPLOYMENT,
    HOP_BY_HOP,
    ROUTING_KEY,
    SECRET,
    TRACEPARENT,
    Call,
    KeyedCall,
    wanted_headers,
)
from gateway.edge import RETRY_AFTER_S, Response
from gateway.terms import NORMAL, PRIORITY, Allowed, Terms, read_terms
from mesh import jobs, subjects, wire
from mesh.bus import Bus
from mesh.errors import BusError, MeshError
from mesh.records import JobRecord, JobState
from mesh.streams import store
from mesh.tasks import end

log = logging.getLogger("gateway.submission")

PREFER: Final = b"prefer"
ACCEPTED: Final = 202

_ASYNC: Final = re.compile(rb"(?:^|[,;])\s*respond-async\s*(?:$|[,;])", re.IGNORECASE)


def prefers_async(prefer: bytes) -> bool:
    """Tell whether a `Prefer` header asks not to wait."""
    return _ASYNC.search(prefer) is not None


def accepted(endpoint: str, request_id: str, state: JobState = "queued") -> Response:
    """Return what tells a client that its request is taken on, and where its result will be."""
    location = f"/endpoints/{endpoint}/requests/{request_id}"
    head = (
        "content-type: application/json\r\npreference-applied: respond-async\r\n"
        f"location: {location}\r\nretry-after: {RETRY_AFTER_S}\r\n"
    )
    body = msgspec.json.encode({"id": request_id, "state": state})
    return Response(ACCEPTED, head.encode(), body)


class Submissions:
    """Queues requests, and tells each one's client once that is confirmed."""

    def __init__(self, bus: Bus, allowed: Allowed) -> None:
        self._bus = bus
        self._allowed = allowed
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Submissions {len(self._tasks)} under way>"

    def start(self, call: Call, done: Callable[[Call, Response], None]) -> None:
        """Queue an admitted request; `done` is called in the end, or its sink told otherwise."""
        task = asyncio.create_task(self._submit(call, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is under way: its clients are gone."""
        await end(self._tasks)

    async def _submit(self, call: Call, done: Callable[[Call, Response], None]) -> None:
        endpoint, request_id = call.target.endpoint, call.request_id
        try:
            terms = read_terms(call.exchange.headers, time.time(), self._allowed)
            put = self._put_off if terms.delay_s else self._put
            record = await put(call, terms)
            noted = await jobs.note(self._bus, endpoint, request_id, record)
            # Who takes what is put off may be faster; what has a key may have been queued before.
            if not noted and not terms.delay_s and not isinstance(call, KeyedCall):
                raise BusError("the request's id is taken")
        except MeshError as error:
            call.sink.failed(call, error)
        except Exception:  # a bug: its client is told, and waits no longer
            log.exception("submission.broken request=%s", request_id)
            call.sink.failed(call, MeshError())
        else:
            state: JobState = "delayed" if terms.delay_s else "queued"
            done(call, accepted(endpoint, request_id, state))

    async def _put(self, call: Call, terms: Terms) -> JobRecord:
        """Queue a request that may run at once."""
        target = call.target
        place = lanes.Place(target, terms.lane, terms.timeout_s, terms.webhook)
        seq = await lanes.put(self._bus, place, call.exchange, call.request_id)
        return JobRecord(
            deployment=target.deployment,
            timeout_s=terms.timeout_s,
            lane=terms.lane,
            seq=seq,
            webhook=terms.webhook,
        )

    async def _put_off(self, call: Call, terms: Terms) -> JobRecord:
        """Leave a request where a producer would: it gets its place when it is due."""
        headers = enqueued_headers(call, terms)
        ack = await store(
            self._bus, subjects.enqueue(call.target.endpoint), call.exchange.body, headers
        )
        return JobRecord(
            ingress_seq=int(ack["seq"]),
            timeout_s=terms.timeout_s,
            lane=terms.lane,
            due_at_s=time.time() + terms.delay_s,
            webhook=terms.webhook,
        )


def enqueued_headers(call: Call, terms: Terms) -> dict[str, str]:
    """Return the headers of a request that is left on `mesh.enqueue`.

    It names the deployment only if its caller has: the split may be another one when it is due.
    """
    exchange = call.exchange
    said = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in wanted_headers(exchange.header_list, call.target)
        if name not in HOP_BY_HOP and name not in SECRET
    }
    for name in (DEPLOYMENT, ROUTING_KEY, TRACEPARENT, CONTENT_TYPE):
        if name in exchange.headers:
            said[name.decode()] = exchange.headers[name].decode("latin-1")
    said |= {
        wire.REQUEST_ID: call.request_id,
        wire.MSG_ID: call.request_id,
        wire.METHOD: exchange.method.decode(),
        wire.PATH: call.path,
        wire.TIMEOUT_MS: str(max(1, round(terms.timeout_s * 1000))),
        wire.NOT_BEFORE: f"{terms.delay_s:.3f}",
        wire.PRIORITY: exchange.headers.get(PRIORITY, NORMAL).decode("latin-1"),
    }
    if exchange.claim is not None:
        said[wire.BODY] = str(exchange.claim)
    return said | ({wire.WEBHOOK: terms.webhook} if terms.webhook else {})
