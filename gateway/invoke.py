"""Requests of direct producers: messages on `mesh.invoke.<endpoint>`, answered on their replies.

Every gateway listens, in one queue group: each request reaches one of them. Who may ask is decided
by the broker's permissions. Who waits no longer says so on `mesh.abandon.<endpoint>`, which every
gateway hears. Ring: service.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from gateway.answers import Answers, Letter
from gateway.edge import Response, refusal
from gateway.exchange import Handler
from gateway.invocation import Invocation, answer_fields, identity_fields, may_answer
from gateway.routes import RouteTable
from mesh import subjects
from mesh.bus import Bus, Inlet, Message, Outlet, Subscription
from mesh.errors import BusError, MeshError, NotFoundError

GROUP: Final = "gateways"
REFUSED_S: Final = 5.0  # how long one may wait who was refused before it had a deadline


class Invocations:
    """Takes invocations and hands them to the handler of scoring requests."""

    def __init__(self, bus: Bus, routes: RouteTable, handler: Handler, outlet: Outlet) -> None:
        self.dropped = {"no_reply": 0, "bad_reply": 0, "unknown_endpoint": 0}
        self._bus = bus
        self._routes = routes
        self._handler = handler
        self._answers = Answers(bus, outlet)
        self._subscription: Subscription | None = None
        self._open: set[Invocation] = set()
        self._idle = asyncio.Event()
        self._now = asyncio.get_running_loop().time

    def __repr__(self) -> str:
        return f"<Invocations open={len(self._open)} dropped={self.dropped}>"

    async def open(self) -> None:
        """Take requests from now on."""
        self._subscription = await Inlet.subscribe(
            self._bus, subjects.INVOKES, self.take, queue=GROUP
        )
        await Inlet.subscribe(self._bus, subjects.ABANDONS, self.abandon)

    async def close(self, grace_s: float) -> int:
        """Take no more, answer what has arrived; return how many got no answer in time."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(BusError):
                await self._bus.leave(subscription)
        if self._open:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), grace_s)
        self._answers.close()
        return len(self._open)

    def take(self, message: Message) -> None:
        """Serve one request, or drop it: without a reply subject nobody would get the answer."""
        if not message.reply:
            self.dropped["no_reply"] += 1
        elif not may_answer(message.reply):
            self.dropped["bad_reply"] += 1
        else:
            self._serve(message)

    def abandon(self, message: Message) -> None:
        """Forget the requests whose answers were to go to the subject that is the body."""
        reply, endpoint = message.data.decode("ascii", "replace"), endpoint_of(message)
        for invocation in [one for one in self._open if one.reply == reply]:
            if invocation.route.endpoint == endpoint:
                self._close(invocation)
                invocation.lose()

    def _serve(self, message: Message) -> None:
        route = self._routes.by_name.get(endpoint_of(message))
        if route is None:
            self.dropped["unknown_endpoint"] += 1
            self._refuse(message.reply, NotFoundError("no such endpoint"))
            return
        try:
            invocation = Invocation(message, route, self._handler, self._now())
        except MeshError as error:
            self._refuse(message.reply, error)
            return
        self._open.add(invocation)
        invocation.serve(message.data, self._answer)

    def _answer(self, invocation: Invocation, response: Response) -> None:
        self._close(invocation)
        fields = answer_fields(response) + identity_fields(invocation.context)
        due_s = invocation.context.due_s or self._now() + REFUSED_S
        self._answers.send(Letter(invocation.reply, response.body, fields, due_s))

    def _close(self, invocation: Invocation) -> None:
        self._open.discard(invocation)
        if not self._open:
            self._idle.set()

    def _refuse(self, reply: str, error: MeshError) -> None:
        response = refusal(error)
        due_s = self._now() + REFUSED_S
        self._answers.send(Letter(reply, response.body, answer_fields(response), due_s))


def endpoint_of(message: Message) -> str:
    """Return the endpoint that the last token of a subject names."""
    return message.subject.rpartition(".")[2]
