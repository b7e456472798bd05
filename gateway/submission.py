"""`Prefer: respond-async`: a request over HTTP that is queued, and answered with where to look.

Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Final

import msgspec

from gateway import lanes
from gateway.call import Call
from gateway.edge import RETRY_AFTER_S, Response
from mesh import jobs
from mesh.bus import Bus
from mesh.errors import BusError, MeshError
from mesh.records import JobRecord
from mesh.tasks import end

log = logging.getLogger("gateway.submission")

PREFER: Final = b"prefer"
ACCEPTED: Final = 202

_ASYNC: Final = re.compile(rb"(?:^|[,;])\s*respond-async\s*(?:$|[,;])", re.IGNORECASE)


def prefers_async(prefer: bytes) -> bool:
    """Tell whether a `Prefer` header asks not to wait."""
    return _ASYNC.search(prefer) is not None


def accepted(endpoint: str, request_id: str) -> Response:
    """Return what tells a client that its request is taken on, and where its result will be."""
    location = f"/endpoints/{endpoint}/requests/{request_id}"
    head = (
        "content-type: application/json\r\npreference-applied: respond-async\r\n"
        f"location: {location}\r\nretry-after: {RETRY_AFTER_S}\r\n"
    )
    body = msgspec.json.encode({"id": request_id, "state": "queued"})
    return Response(ACCEPTED, head.encode(), body)


class Submissions:
    """Queues requests, and tells each one's client once that is confirmed."""

    def __init__(self, bus: Bus, default_s: float) -> None:
        self._bus = bus
        self._default_s = default_s
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Submissions {len(self._tasks)} under way>"

    def start(
        self,
        call: Call,
        done: Callable[[Call, Response], None],
        refuse: Callable[[Call, MeshError], None],
    ) -> None:
        """Queue an admitted request; one of the two is called in the end."""
        task = asyncio.create_task(self._submit(call, done, refuse))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is under way: its clients are gone."""
        await end(self._tasks)

    async def _submit(
        self,
        call: Call,
        done: Callable[[Call, Response], None],
        refuse: Callable[[Call, MeshError], None],
    ) -> None:
        target, request_id, headers = call.target, call.request_id, call.exchange.headers
        try:
            timeout_s = lanes.wished_timeout_s(headers, self._default_s)
            place = lanes.Place(target, lanes.lane_of(headers), timeout_s)
            seq = await lanes.put(self._bus, place, call.exchange, request_id)
            record = JobRecord(
                deployment=target.deployment, timeout_s=timeout_s, lane=place.lane, seq=seq
            )
            if not await jobs.note(self._bus, target.endpoint, request_id, record):
                raise BusError("the request's id is taken")
        except MeshError as error:
            refuse(call, error)
        except Exception:  # a bug: its client is told, and waits no longer
            log.exception("submission.broken request=%s", request_id)
            refuse(call, MeshError())
        else:
            done(call, accepted(target.endpoint, request_id))
