"""Queued requests that do not succeed: cancelled, and kept so that they can be sent again.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from mesh import subjects, wire
from mesh.bus import Bus
from mesh.errors import CancelledRequestError, ConflictError, NotFoundError
from mesh.jobs import JobStatus, failure, finish, known, own_headers
from mesh.streams import KeptMessage, delete_message, last_message, next_message, store

PLACED_S: Final = (0.02, 0.05, 0.1, 0.2, 0.4)


class Place(NamedTuple):
    """Where a request waits; `seq` is 0 if it is not known."""

    stream: str
    subject: str
    seq: int


async def cancel(bus: Bus, endpoint: str, request_id: str) -> JobStatus:
    """Cancel a queued request, wherever it is; return what was known of it.

    Its result decides: once `cancelled` is kept no other result is. Where it waits it is deleted,
    where it runs it is stopped as far as its kind of script allows.

    Raises:
        NotFoundError: nothing is known of it.
        ConflictError: it has ended.
        BusError: it could not be cancelled, or nobody knows.
    """
    found = await known(bus, endpoint, request_id)
    if not found.has_ended:
        body, headers = failure(CancelledRequestError())
        if await finish(bus, endpoint, request_id, (body, headers), found.webhook):
            await _stop_found(bus, endpoint, found)
            return found
        found = await known(bus, endpoint, request_id)
    raise ConflictError(f"request {request_id} has ended: it is {found.state}")


async def _stop_found(bus: Bus, endpoint: str, found: JobStatus) -> None:
    if found.deployment and not found.seq:
        found = await _placed(bus, endpoint, found)
    waiting = await queued_message(bus, endpoint, found)
    await stop(bus, endpoint, found.deployment, found.request_id, waiting)


async def stop(
    bus: Bus, endpoint: str, deployment: str, request_id: str, waiting: KeptMessage | None
) -> None:
    """Take a cancelled request out of where it waits, and stop it if it runs.

    Without a deployment it waits to be queued.

    Raises:
        BusError: nobody knows whether it was.
    """
    if waiting is not None:
        await keep_request(bus, endpoint, request_id, waiting.body, waiting.headers)
        stream = subjects.INGRESS_STREAM
        if deployment:
            stream = subjects.work_stream(endpoint, deployment)
        await delete_message(bus, stream, waiting.seq)
    if not deployment:
        return
    # Even after a deletion: one in thousands is delivered all the same.
    told = wire.encode(wire.Cancel(request_id=request_id))
    await bus.publish(subjects.cancel(endpoint, deployment), told)


async def _placed(bus: Bus, endpoint: str, found: JobStatus) -> JobStatus:
    """Return what is known once its place in the queue is, which is written a moment after it.

    One whose lane is full has none; a gateway that tries again sees that it is cancelled.
    """
    for pause_s in PLACED_S:
        await asyncio.sleep(pause_s)
        again = await known(bus, endpoint, found.request_id)
        if again.seq:
            return again
    return found


async def keep_request(
    bus: Bus, endpoint: str, request_id: str, body: bytes, headers: Mapping[str, str]
) -> None:
    """Keep a request that did not succeed for as long as its result, so that it can be sent again.

    Args:
        bus: the connection.
        endpoint: whose request it is.
        request_id: its id.
        body: its body.
        headers: those of its message in the work queue.

    Raises:
        BusError: it could not be kept, or nobody knows.
    """
    await store(bus, subjects.kept_request(endpoint, request_id), body, own_headers(headers))


async def find_request(
    bus: Bus, endpoint: str, found: JobStatus
) -> tuple[Mapping[str, str], bytes]:
    """Return headers and body of a request that did not succeed.

    Raises:
        NotFoundError: they are not kept: it succeeded, or its time to be kept is over.
        BusError: the broker cannot say.
    """
    subject = subjects.kept_request(endpoint, found.request_id)
    message = await last_message(bus, subjects.RESULTS_STREAM, subject)
    if message is not None:
        return message.headers or {}, message.data
    waiting = await queued_message(bus, endpoint, found)
    if waiting is None:
        raise NotFoundError(
            f"request {found.request_id} is {found.state}: its body is kept only if it does not "
            "succeed, and as long as its result"
        )
    return waiting.headers, waiting.body


async def queued_message(bus: Bus, endpoint: str, found: JobStatus) -> KeptMessage | None:
    """Return a request's message if it still waits, in its deployment's queue or to get there."""
    place = _place(endpoint, found)
    message = await next_message(bus, *place) if place.seq else None
    return message if message is not None and message.seq == place.seq else None


def _place(endpoint: str, found: JobStatus) -> Place:
    if not found.deployment:
        return Place(subjects.INGRESS_STREAM, subjects.enqueue(endpoint), found.ingress_seq)
    stream = subjects.work_stream(endpoint, found.deployment)
    return Place(stream, subjects.work(endpoint, found.deployment, found.lane), found.seq)
