"""One inbox for all answers: each request has a reply subject of its own that we know.

So it can be told that nobody waits for it any more; the library's own requests cannot.
Ring: adapter.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Final

from mesh import wire
from mesh.bus import Bus, Inlet, Message, Outlet
from mesh.client.answer import Answer, checked
from mesh.errors import (
    AnswerUnknownError,
    BusError,
    BusTimeoutError,
    ForbiddenError,
    MeshError,
    NoRespondersError,
)

PUBLISH_REFUSED: Final = 'permissions violation for publish to "'
LOST: Final = "the connection to the broker was lost; the request may have been answered"


class Waiting:
    """A request that is out."""

    __slots__ = ("answer", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def fail(self, error: MeshError) -> None:
        """End the wait with an error; harmless if it has ended."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Replies:
    """Asks on subjects. A lost connection, or the broker's refusal, ends what is out at once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._outlet = Outlet(bus)
        self._inbox = bus.new_inbox()
        self._numbers = itertools.count(1)
        self._out: dict[str, Waiting] = {}
        bus.on_away(self._note_away)
        bus.on_error.append(self._note_error)

    def __repr__(self) -> str:
        return f"<Replies {len(self._out)} awaited>"

    async def open(self) -> None:
        """Listen from now on."""
        await Inlet.subscribe(self._bus, f"{self._inbox}.*", self._take)

    async def ask(
        self,
        subject: str,
        body: bytes,
        headers: dict[str, str],
        timeout_s: float,
        *,
        abandon: str = "",
    ) -> Message:
        """Ask, and wait for the one answer.

        Args:
            subject: where to ask.
            body: the payload.
            headers: its headers.
            timeout_s: how long to wait.
            abandon: where to tell that nobody waits any more, if this is cancelled.

        Raises:
            AnswerUnknownError: the connection was lost meanwhile.
            BusError: the broker is away.
            BusTimeoutError: no answer in time.
            ForbiddenError: this user may not publish there.
            NoRespondersError: nobody listens there.
        """
        reply = f"{self._inbox}.{next(self._numbers)}"
        self._out[reply] = waiting = Waiting(subject)
        try:
            await self._bus.publish(subject, body, reply=reply, headers=headers)
            async with asyncio.timeout(timeout_s):
                return await waiting.answer
        except TimeoutError as exc:
            raise BusTimeoutError(f"no answer within {timeout_s:g} s") from exc
        except asyncio.CancelledError:
            self._abandon(abandon, reply)
            raise
        finally:
            del self._out[reply]

    def _abandon(self, subject: str, reply: str) -> None:
        if subject:
            try:
                self._outlet.post(subject, reply.encode())
            except BusError:
                return  # the broker is away: the request's own deadline ends it

    def _take(self, message: Message) -> None:
        waiting = self._out.get(message.subject)
        if waiting is None or waiting.answer.done():
            return
        if (message.headers or {}).get("Status") == "503":
            waiting.fail(NoRespondersError(f"nobody listens on {waiting.subject}"))
        else:
            waiting.answer.set_result(message)

    def _note_away(self) -> None:
        for waiting in self._out.values():
            waiting.fail(AnswerUnknownError(LOST))

    def _note_error(self, text: str) -> None:
        """Hear `permissions violation for publish to "<subject>"`, which the library lowers."""
        _, refused, rest = text.lower().partition(PUBLISH_REFUSED)
        if not refused:
            return
        for waiting in self._out.values():
            if waiting.subject.lower() == rest.rstrip('"'):
                waiting.fail(ForbiddenError(f"this user may not publish on {waiting.subject}"))


def read(message: Message, body: bytes) -> Answer:
    """Return the answer that a message, and a body, are.

    Raises:
        MeshError: it is not 2xx.
    """
    headers: Mapping[str, str] = message.headers or {}
    answer = Answer(
        status=int(headers.get(wire.STATUS, 500)),
        body=body,
        content_type=headers.get(wire.CONTENT_TYPE, ""),
        request_id=headers.get(wire.REQUEST_ID, ""),
        deployment=headers.get(wire.DEPLOYMENT, ""),
        model_status=int(headers.get(wire.MODEL_STATUS, 0)),
        headers=dict(headers),
    )
    return checked(answer, headers.get(wire.ERROR, ""))
