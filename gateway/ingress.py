"""What direct producers have enqueued, routed: from `INGRESS` to a deployment's `queued` lane.

A message is acknowledged only after the lane's stream, or the stream of results, has confirmed what
became of it. All gateways share one consumer: what cannot be routed now waits with a delay of its
own and holds nobody up. Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from gateway import lanes
from gateway.call import DEPLOYMENT, check_path, choose, path_of
from gateway.exchange import Handler
from gateway.idempotency import KEY
from gateway.intake import Enqueued, Intake
from gateway.invocation import Invocation, header_list
from gateway.keyedorder import KeyedOrders
from gateway.order import Order
from gateway.reserving import Reservations
from gateway.routes import RouteTable, Target
from gateway.terms import WISH_MS, Allowed, Terms, read_terms, webhook_of
from mesh import jobs, kept, subjects, wire
from mesh.backoff import backoff_s
from mesh.bus import Outlet
from mesh.clock import NS
from mesh.errors import (
    CapacityError,
    ConflictError,
    DeadlineExceededError,
    MeshError,
    NotFoundError,
    PayloadTooLargeError,
    RequestError,
)
from mesh.names import is_request_id
from mesh.records import JobRecord

log = logging.getLogger("gateway.ingress")

RETRY_S: Final = (0.25, 15.0)
TIMEOUT_DIGITS: Final = 12  # a longer number may be one that cannot be read


class Noted(NamedTuple):
    """A job's record as it was written, and its number in the stream."""

    record: JobRecord
    seq: int


class NoTrafficError(CapacityError):
    """No deployment of the endpoint has traffic."""


class NotDueError(CapacityError):
    """The request must not run yet."""


def id_of(headers: Mapping[str, str], seq: int) -> str:
    """Return the request's id: the producer's own if it is one, else made of its number."""
    for name in (wire.REQUEST_ID, wire.MSG_ID):
        if is_request_id(headers.get(name, "")):
            return headers[name]
    return subjects.ingress_id(seq)


def is_for(record: JobRecord, seq: int) -> bool:
    """Tell whether a job's record is that of the message of this number.

    One without a place and a number was taken from a deployment that was deleted: it is for
    whatever message brings it back.
    """
    return record.ingress_seq == seq or not (record.ingress_seq or record.deployment)


def wished_ms(text: str, longest_s: float) -> int:
    """Return the milliseconds that a producer says a request may wait.

    Raises:
        RequestError: it asks for what cannot be had.
    """
    longest_ms = int(longest_s * 1000)
    is_number = text.isascii() and text.isdecimal() and len(text) <= TIMEOUT_DIGITS
    if not (is_number and 1 <= int(text) <= longest_ms):
        raise RequestError(f"{wire.TIMEOUT_MS}: {text!r}: expected 1 to {longest_ms} milliseconds")
    return int(text)


class Ingress:
    """Routes enqueued requests. `outcomes` counts what became of them."""

    def __init__(
        self,
        reservations: Reservations,
        routes: RouteTable,
        handler: Handler,
        outlet: Outlet,
        allowed: Allowed,
    ) -> None:
        self.outcomes = dict.fromkeys(("queued", "repeated", "retried", "delayed", "failed"), 0)
        self._bus = bus = reservations.bus
        self.intake = Intake(bus, outlet, subjects.INGRESS_STREAM, self.settle, reservations.clock)
        self._keyed = KeyedOrders(reservations)
        self._routes = routes
        self._handler = handler
        self._allowed = allowed
        self._now = asyncio.get_running_loop().time

    def __repr__(self) -> str:
        return f"<Ingress {self.outcomes}>"

    async def settle(self, enqueued: Enqueued) -> None:
        """Bring one request to its lane, to an end, or back for later."""
        request_id = id_of(enqueued.message.headers or {}, enqueued.seq)
        try:
            outcome = await self._settle(enqueued, request_id)
        except NotDueError as exc:
            self.outcomes["delayed"] += 1
            self.intake.hand_back(enqueued, float(str(exc.context["early_s"])))
            return
        except MeshError as exc:
            log.info("ingress.retry request=%s %s", request_id, exc)
            self._retry(enqueued)
            return
        except Exception:  # a bug: the request is not lost, and others go on
            log.exception("ingress.broken request=%s", request_id)
            self._retry(enqueued)
            return
        self.outcomes[outcome] += 1
        self.intake.acknowledge(enqueued)

    async def _settle(self, enqueued: Enqueued, request_id: str) -> str:
        """Return what became of a request that is settled.

        Raises:
            MeshError: it cannot be settled now.
        """
        try:
            order = self._read(enqueued, request_id)
            if KEY in order.invocation.headers:
                return await self._keyed.settle(order, self._queue)
            return await self._queue(order)
        except ConflictError:
            raise
        except (RequestError, DeadlineExceededError) as exc:
            await self._fail(enqueued, request_id, exc)
            return "failed"

    async def _fail(self, enqueued: Enqueued, request_id: str, error: MeshError) -> None:
        """Give a request its failed result, and keep it so that it can be sent again."""
        message, endpoint = enqueued.message, enqueued.endpoint
        await kept.keep_request(
            self._bus, endpoint, request_id, message.data, message.headers or {}
        )
        result, webhook = jobs.failure(error), self._webhook(enqueued)
        await jobs.finish(self._bus, endpoint, request_id, result, webhook)

    def _webhook(self, enqueued: Enqueued) -> str:
        """Who is told that a request has failed: nobody, if that is what is wrong with it."""
        try:
            headers = dict(header_list(enqueued.message.headers or {}))
            return webhook_of(headers, self._allowed.hosts)
        except RequestError:
            return ""

    def _read(self, enqueued: Enqueued, request_id: str) -> Order:
        route = self._routes.by_name.get(enqueued.endpoint)
        if route is None:
            raise NotFoundError(f"no such endpoint: {enqueued.endpoint}")
        message, now_s = enqueued.message, self._now()
        invocation = Invocation(message, route, self._handler, now_s)
        terms = self._terms(enqueued, invocation.headers)
        waited_s = now_s - self.intake.clock.local_s(enqueued.stamped_ns, now_s)
        if waited_s >= terms.timeout_s:
            raise DeadlineExceededError("it could not be queued within its time limit")
        limit = min(self._handler.max_body_bytes, self._bus.max_body_bytes)
        if len(message.data) > limit:
            raise PayloadTooLargeError(f"the body is larger than {limit} bytes")
        invocation.feed(message.data)
        return Order(enqueued, request_id, route, invocation, terms, waited_s)

    def _terms(self, enqueued: Enqueued, headers: dict[bytes, bytes]) -> Terms:
        """Read what a producer asks for; its times count from when the stream took the message."""
        timeout_ms = (enqueued.message.headers or {}).get(wire.TIMEOUT_MS)
        if timeout_ms is not None:
            wish_ms = wished_ms(timeout_ms, self._allowed.longest_s)
            headers = headers | {WISH_MS: str(wish_ms).encode()}
        return read_terms(headers, enqueued.stamped_ns / NS, self._allowed)

    async def _queue(self, order: Order) -> str:
        endpoint, request_id = order.route.endpoint, order.request_id
        known = await jobs.find(self._bus, endpoint, request_id)
        if known is not None and not is_for(known.record, order.enqueued.seq):
            return "repeated"
        if known is not None and await jobs.find_result(self._bus, endpoint, request_id):
            return "repeated"
        if known is not None and known.record.seq:
            return "queued"  # whoever put it there ended before the acknowledgement
        target = None if order.early_s > 0 else self._target(order, known)
        if target is not None:
            check_path(target, path_of(order.invocation))
        noted = await self._note(order, known, target)
        if order.early_s > 0:
            raise NotDueError(early_s=order.early_s)
        if target is None:
            raise NoTrafficError
        terms = order.terms
        place = lanes.Place(target, terms.lane, order.left_s, terms.webhook)
        seq = await lanes.put(self._bus, place, order.invocation, request_id)
        record = replace(noted.record, seq=seq)
        # If somebody has written meanwhile, that is newer.
        await jobs.note(self._bus, endpoint, request_id, record, noted.seq)
        return "queued"

    def _target(self, order: Order, known: jobs.Job | None) -> Target | None:
        """Where it goes: where it went before, so that its queue knows it again.

        Raises:
            NotFoundError: the deployment it names does not exist.
        """
        target = order.route.targets.get(known.record.deployment) if known else None
        if target is not None:
            return target
        try:
            return choose(order.route, order.invocation.headers)[0]
        except NotFoundError:
            if DEPLOYMENT in order.invocation.headers:
                raise
            return None

    async def _note(self, order: Order, known: jobs.Job | None, target: Target | None) -> Noted:
        """Note that the request is accepted, and where it goes, before it goes there.

        Raises:
            ConflictError: another gateway was faster.
        """
        record = order.record(target.deployment if target else "")
        if known is not None and known.record == record:
            return Noted(record, known.seq)
        after_seq = known.seq if known else 0
        endpoint, request_id = order.route.endpoint, order.request_id
        seq = await jobs.note(self._bus, endpoint, request_id, record, after_seq)
        if not seq:
            raise ConflictError
        return Noted(record, seq)

    def _retry(self, enqueued: Enqueued) -> None:
        self.outcomes["retried"] += 1
        self.intake.hand_back(enqueued, backoff_s(enqueued.delivered, *RETRY_S))
