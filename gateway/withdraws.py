"""Direct producers that cancel queued requests: `mesh.withdraw.<endpoint>`, answered as over HTTP.

One gateway hears each. Who may ask is decided by the broker's permissions; which request, by an id
that only its producer knows. Ring: service.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

import msgspec

from gateway.invocation import may_answer
from gateway.invoke import GROUP, endpoint_of
from mesh import jobs, subjects, wire
from mesh.bus import Bus, Message, Subscription
from mesh.errors import (
    BusError,
    CancelledRequestError,
    ConflictError,
    MeshError,
    NotFoundError,
    RequestError,
    error_body,
)
from mesh.kept import cancel, stop
from mesh.names import NAME_RULE, REQUEST_ID_RULE, is_name, is_request_id
from mesh.statuses import status_of
from mesh.streams import next_message
from mesh.subjects import KEPT_LANES
from mesh.tasks import end

log = logging.getLogger("gateway.withdraws")

SEQ_DIGITS: Final = 19


class Withdraws:
    """Takes cancellations and carries them out."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._subscription: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Withdraws {len(self._tasks)} under way>"

    async def open(self) -> None:
        """Take cancellations from now on."""
        self._subscription = await self._bus.subscribe(subjects.WITHDRAWS, self._take, queue=GROUP)

    async def close(self, grace_s: float) -> int:
        """Take no more, carry out what has arrived; return for how many there was no time."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(BusError):
                await self._bus.leave(subscription)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        late = list(self._tasks)
        await end(late)
        return len(late)

    async def _take(self, message: Message) -> None:
        task = asyncio.create_task(self._serve(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, message: Message) -> None:
        headers = message.headers or {}
        request_id = headers.get(wire.REQUEST_ID, "")
        try:
            await self._cancel(endpoint_of(message), request_id, headers)
        except MeshError as error:
            said = {wire.STATUS: str(status_of(error.code)), wire.ERROR: error.code}
            body = error_body(error.code, error.message)
        except Exception:  # a bug: its producer is told, and others go on
            log.exception("withdraws.broken request=%s", request_id)
            said = {wire.STATUS: "500", wire.ERROR: MeshError.code}
            body = error_body(MeshError.code, str(MeshError()))
        else:
            said = {wire.STATUS: "200", wire.REQUEST_ID: request_id}
            body = msgspec.json.encode({"id": request_id, "state": "cancelled"})
        if message.reply and may_answer(message.reply):
            with contextlib.suppress(BusError):  # it is away, and so is the producer behind it
                said[wire.CONTENT_TYPE] = wire.JSON
                await self._bus.publish(message.reply, body, headers=said)

    async def _cancel(self, endpoint: str, request_id: str, headers: dict[str, str]) -> None:
        if not is_request_id(request_id):
            raise RequestError(f"{wire.REQUEST_ID}: {request_id!r}: expected {REQUEST_ID_RULE}")
        try:
            await cancel(self._bus, endpoint, request_id)
        except NotFoundError:
            place = place_of(headers)
            if place is None:
                raise
            await cancel_in_lane(self._bus, endpoint, request_id, *place)


async def cancel_in_lane(
    bus: Bus, endpoint: str, request_id: str, deployment: str, seq: int
) -> None:
    """Cancel what its producer has put into a lane by itself and no worker has begun.

    Raises:
        NotFoundError: no message of that number has that id.
        ConflictError: it has ended.
        BusError: it could not be cancelled, or nobody knows.
    """
    stream = subjects.work_stream(endpoint, deployment)
    for lane in KEPT_LANES:
        found = await next_message(bus, stream, subjects.work(endpoint, deployment, lane), seq)
        if found and found.seq == seq and found.headers.get(wire.REQUEST_ID) == request_id:
            break
    else:
        raise NotFoundError(f"no request {request_id} is number {seq} of deployment {deployment}")
    body, headers = jobs.failure(CancelledRequestError())
    if not await jobs.keep_result(bus, endpoint, request_id, body, headers):
        raise ConflictError(f"request {request_id} has ended")
    await stop(bus, endpoint, deployment, request_id, found)


def place_of(headers: dict[str, str]) -> tuple[str, int] | None:
    """Return the deployment of what no gateway has seen, and its number there; None if not said.

    Raises:
        RequestError: one is there without the other, or it is none.
    """
    deployment, seq = headers.get(wire.DEPLOYMENT), headers.get(wire.SEQUENCE)
    if deployment is None and seq is None:
        return None
    if deployment is None or not is_name(deployment):
        raise RequestError(f"{wire.DEPLOYMENT}: {deployment!r}: expected {NAME_RULE}")
    if seq is None or not (seq.isascii() and seq.isdecimal() and len(seq) <= SEQ_DIGITS):
        raise RequestError(f"{wire.SEQUENCE}: {seq!r}: expected the number in the acknowledgement")
    return deployment, int(seq)
