"""Scoring requests, from the HTTP head to the answer: authenticate, route, publish, settle.

The hot path. Every method is synchronous; a feature that is not used costs nothing here.
Ring: service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from gateway import auth
from gateway.call import Call, KeyedCall, check_alive, check_path, choose
from gateway.cors import Cors
from gateway.demand import Demands
from gateway.edge import Response, answer, refusal
from gateway.exchange import Exchange
from gateway.idempotency import KEY
from gateway.keyed import Keyed
from gateway.large import LargeBodies, Told
from gateway.ledger import CLIENT_GONE, UNANSWERED, Answered, Ledger, describe
from gateway.meters import MeterBook
from gateway.paths import SCORE
from gateway.pending import Entry, Pending
from gateway.reserving import Reservations
from gateway.routes import RouteTable
from gateway.shadow import Shadows
from gateway.submission import PREFER, Submissions, prefers_async
from gateway.upload import Ends, Upload
from gateway.withdrawal import Withdrawals
from mesh import wire
from mesh.bus import Outlet
from mesh.claims import Claim
from mesh.errors import BusError, BusTimeoutError, DeadlineExceededError, MeshError, QueueFullError

METHODS: Final = frozenset((b"POST", b"GET"))
EARLY_BYTES: Final = 64 * 1024
UNCONFIRMED_S: Final = 2.0  # a queue that is silent for so long is not there


class Parts(NamedTuple):
    """What serving a request needs."""

    routes: RouteTable
    pending: Pending
    outlet: Outlet
    ledger: Ledger
    book: MeterBook
    cors: Cors
    submissions: Submissions
    reservations: Reservations
    large: LargeBodies
    demands: Demands


class Scoring:
    """Serves exchanges; the sink of the entries it makes of them."""

    def __init__(self, parts: Parts, max_body_bytes: int, inline_bytes: int) -> None:
        self.max_body_bytes = max_body_bytes
        self.inline_bytes = inline_bytes
        self.early_bytes = min(EARLY_BYTES, max_body_bytes, inline_bytes)
        self._routes = parts.routes
        self._pending = parts.pending
        self._outlet = parts.outlet
        self._ledger = parts.ledger
        self._book = parts.book
        self._cors = parts.cors
        self._submissions = parts.submissions
        self._large = parts.large
        self._demands = parts.demands
        self._told = Told(self._written, self.refuse)
        self._shadows = Shadows(parts.outlet, parts.pending)
        self._withdrawals = Withdrawals(parts.outlet, parts.pending)
        self._now = asyncio.get_running_loop().time
        self.keyed = Keyed(parts.reservations, self, self._withdrawals)

    def find(self, method: bytes, url: bytes, headers: dict[bytes, bytes]) -> Any:
        """Return the route of a scoring request, None if it is not one."""
        if method not in METHODS:
            return None
        route = self._routes.by_path.get(url)
        if route is not None:
            return route
        return self._routes.search(url, headers.get(b"host", b""))

    def admit(self, exchange: Exchange) -> bool:
        """Check the caller, pick the deployment, and see whether it can be served at all."""
        route, headers = exchange.route, exchange.headers
        kind = KeyedCall if KEY in headers else Call
        exchange.context = call = kind(exchange, self._book.of(route.endpoint), self)
        try:
            if not exchange.is_trusted:
                auth.check(headers.get(b"authorization"), route.digests)
            if isinstance(call, KeyedCall):
                self.keyed.check(call)
            else:
                self.aim(call)
        except MeshError as error:
            self.refuse(call, error)
            return False
        return True

    def aim(self, call: Call) -> None:
        """Pick the deployment, and see whether it can serve the request.

        Raises:
            MeshError: it cannot, or there is none.
        """
        headers, now_s = call.exchange.headers, self._now()
        call.aim(*choose(call.exchange.route, headers))
        if call.path != SCORE:
            check_path(call.target, call.path)
        check_alive(call.target, now_s)
        if not self._outlet.is_connected:
            raise BusError("the broker is away")
        if PREFER not in headers or not prefers_async(headers[PREFER]):
            call.target.forecast.check(call.timeout_s, now_s)

    def start(self, exchange: Exchange) -> None:
        """Publish an admitted request; one with a key only if it is the first."""
        call: Call = exchange.context
        if isinstance(call, KeyedCall):
            self.keyed.start(call)
        else:
            self.publish(call)

    def publish(self, call: Call) -> None:
        """Publish a request that has a deployment."""
        exchange = call.exchange
        if PREFER in exchange.headers and prefers_async(exchange.headers[PREFER]):
            self._submissions.start(call, self._submitted)
            return
        reply = f"{call.target.reply_prefix}{self._pending.number(call)}"
        call.message = message = (call.target.lane_work, exchange.body, reply, call.fields(reply))
        try:
            self._outlet.post(*message)
        except MeshError as error:
            call.sink.failed(call, error)
            return
        call.go_out()
        self._pending.add(call, self._now() + call.timeout_s)

    def upload(self, exchange: Exchange) -> Upload:
        """Return what takes the body of an admitted request; started once the broker has it."""
        call: Call = exchange.context

        def stored(claim: Claim) -> None:
            exchange.claim = claim
            self.start(exchange)

        return self._large.upload(call, Ends(stored, partial(self._fail, call)))

    def _fail(self, call: Call, error: MeshError) -> None:
        call.sink.failed(call, error)

    def reject(self, exchange: Exchange, error: MeshError) -> None:
        """Refuse a request for how it was sent."""
        if exchange.context is None:
            exchange.context = Call(exchange, self._book.of(exchange.route.endpoint), self)
        self.refuse(exchange.context, error)

    def abandon(self, exchange: Exchange) -> None:
        """Forget a request whose client is gone, and stop what it started."""
        call: Call = exchange.context
        if isinstance(call, KeyedCall):
            self.keyed.abandon(call)
        elif call.is_out:
            self._withdrawals.withdraw(call)
            call.come_back()
        self._ledger.close(call, self._now(), CLIENT_GONE)

    def acknowledged(self, entry: Entry) -> None:
        """Copy a request to its mirror, now that it is queued itself; wake who is to answer it."""
        if isinstance(entry, Call):
            self._demands.note_queued(entry.target)
            self._shadows.send(entry)

    def answered(self, entry: Entry, body: bytes, headers: Mapping[str, str]) -> None:
        """Hand a worker's answer to the client."""
        if not isinstance(entry, Call):
            return
        if entry.mirror is not None:
            self._shadows.send(entry)  # it was queued: the answer overtook the PubAck
        response, model_status = answer(body, headers)
        if response.status == 408:  # the worker was first to notice
            self._ledger.count_failure(entry, DeadlineExceededError())
        entry.come_back()
        said = describe(model_status, body, headers)
        if wire.BODY in headers:
            self._large.answer(entry, response, said, self._lines(entry), self._told)
            return
        self._respond(entry, response)
        self._written(entry, response, said)

    def failed(self, entry: Entry, error: MeshError) -> None:
        """Tell the client that there is no answer."""
        if not isinstance(entry, Call):
            return
        if (
            isinstance(error, DeadlineExceededError)
            and entry.ack is None
            and entry.timeout_s >= UNCONFIRMED_S
        ):
            error = BusTimeoutError("the queue did not confirm the request")
        elif isinstance(error, QueueFullError):
            after_s = entry.target.forecast.retry_after_s(self._now())
            error = QueueFullError(retry_after_s=after_s)
        self.refuse(entry, error)

    def _written(self, call: Call, response: Response, said: Answered) -> None:
        self._ledger.close(call, self._now(), response.status, said)

    def _submitted(self, call: Call, response: Response) -> None:
        call.meters.accepted += 1
        self._demands.note_queued(call.target)
        self.finish(call, response)

    def refuse(self, call: Call, error: MeshError) -> None:
        """Tell the client why there is no answer."""
        self._ledger.count_failure(call, error)
        call.come_back()
        if call.deployment:
            self._demands.note_refused(call.target, error)
        self.finish(call, refusal(error))

    def finish(self, call: Call, response: Response) -> None:
        """Give the client an answer that no worker was asked for."""
        if call.exchange.disconnected:  # it was written down when the client went
            return
        if wire.BODY in response.said:  # a stored one, of another request
            self._large.answer(call, response, UNANSWERED, self._lines(call), self._told)
            return
        self._respond(call, response)
        self._ledger.close(call, self._now(), response.status)

    def _respond(self, call: Call, response: Response) -> None:
        call.exchange.respond(response, self._lines(call))

    def _lines(self, call: Call) -> bytes:
        lines = call.head
        if self._cors:
            lines += self._cors.lines(call.exchange.headers.get(b"origin", b""))
        return lines
