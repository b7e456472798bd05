"""Enqueued requests with an idempotency key.

The first one is queued. A repeat under an id of its own waits in its stream, looked at again and
again, until the first has a result, and gets a copy of it under its own id. Ring: service.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.call import CONTENT_TYPE, DEPLOYMENT, path_of
from gateway.idempotency import KEY, SUBMIT_S, Asked, digest_of
from gateway.order import Order
from gateway.reserving import Held, Reservations
from mesh import jobs, subjects, wire
from mesh.bus import Message
from mesh.errors import CapacityError, ConflictError, KeyReusedError
from mesh.records import ReservationRecord


class UnfinishedError(CapacityError):
    """The first request under this key has no result yet."""


class KeyedOrders:
    """Finds out what is to become of an order with a key."""

    def __init__(self, reservations: Reservations) -> None:
        self._reservations = reservations

    def __repr__(self) -> str:
        return f"<KeyedOrders {self._reservations!r}>"

    async def settle(self, order: Order, queue: Callable[[Order], Awaitable[str]]) -> str:
        """Return what became of an order: `queue` does it if it is the first, or takes over.

        Raises:
            KeyReusedError: the key stands for another request.
            MeshError: it cannot be settled now.
        """
        endpoint, key = order.route.endpoint, order.invocation.headers[KEY]
        subject = subjects.reservation(endpoint, digest_of(key))
        found = await self._reservations.take(endpoint, subject, wanted(order))
        if found is None:
            raise ConflictError
        first_id = found.record.request_id
        if first_id == order.request_id:
            return await queue(order)
        if isinstance(found, Held):  # who had it has ended, or never knew that it was queued
            await queue(order._replace(request_id=first_id))
        elif found.verdict == "reused":
            raise KeyReusedError(f"the idempotency key stands for another request, {first_id}")
        elif found.result is not None:
            await self._copy(order, found.result)
            return "repeated"
        await self._note(order)
        raise UnfinishedError

    async def _copy(self, order: Order, result: Message) -> None:
        headers = jobs.own_headers(result.headers or {}) | {wire.REPLAYED: "true"}
        await jobs.finish(
            self._reservations.bus,
            order.route.endpoint,
            order.request_id,
            (result.data, headers),
            order.terms.webhook,
        )
        self._reservations.outcomes["replayed"] += 1

    async def _note(self, order: Order) -> None:
        bus, endpoint = self._reservations.bus, order.route.endpoint
        await jobs.note(bus, endpoint, order.request_id, order.record())


def wanted(order: Order) -> ReservationRecord:
    """Return what an order would write under its key."""
    invocation = order.invocation
    asked = Asked(
        method=invocation.method,
        path=path_of(invocation),
        content_type=invocation.headers.get(CONTENT_TYPE, b""),
        deployment=invocation.headers.get(DEPLOYMENT, b""),
        body=invocation.digest(),
    )
    return ReservationRecord(
        fingerprint=asked.fingerprint,
        request_id=order.request_id,
        timeout_s=SUBMIT_S,
        queued=True,
    )
