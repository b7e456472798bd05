"""Cancelling a queued request, wherever it is. Ring: service."""

from __future__ import annotations

from mesh import jobs, subjects, wire
from mesh.bus import Bus
from mesh.errors import CancelledRequestError, ConflictError, NotFoundError
from mesh.jobs import JobStatus
from mesh.streams import delete_message


async def cancel(bus: Bus, endpoint: str, request_id: str) -> JobStatus:
    """Cancel a request; return what was known of it.

    Its result decides: once `cancelled` is kept no other result is. Where it waits it is deleted,
    where it runs it is stopped as far as its kind of script allows.

    Raises:
        NotFoundError: nothing is known of it.
        ConflictError: it has ended.
        BusError: it could not be cancelled, or nobody knows.
    """
    status = await known(bus, endpoint, request_id)
    if status.has_ended:
        raise ConflictError(f"request {request_id} has ended: it is {status.state}")
    body, headers = jobs.failure(CancelledRequestError())
    if not await jobs.keep_result(bus, endpoint, request_id, body, headers):
        ended = await known(bus, endpoint, request_id)
        raise ConflictError(f"request {request_id} has ended: it is {ended.state}")
    if not status.deployment:
        return status
    if status.seq:
        await delete_message(bus, subjects.work_stream(endpoint, status.deployment), status.seq)
    stop = wire.encode(wire.Cancel(request_id=request_id))
    await bus.publish(subjects.cancel(endpoint, status.deployment), stop)
    return status


async def known(bus: Bus, endpoint: str, request_id: str) -> JobStatus:
    """Return what is known of a request.

    Raises:
        NotFoundError: nothing is.
        BusError: the broker cannot say.
    """
    if not subjects.is_request_id(request_id):
        raise NotFoundError(f"a request's id has {subjects.REQUEST_ID_RULE}")
    status = await jobs.status(bus, endpoint, request_id)
    if status is None:
        raise NotFoundError("no such request, or its result is more than a day old")
    return status
