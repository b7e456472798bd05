"""The client's way over NATS: a user of the broker who may produce. Ring: adapter."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from mesh import bodies, claims, jobs, subjects, wire
from mesh.bus import Bus, Message, NoRespondersError
from mesh.client.answer import Answer, Ask, checked, refuse_bad_id
from mesh.errors import (
    BusError,
    BusTimeoutError,
    DeadlineExceededError,
    ForbiddenError,
    NotFinishedError,
    NotFoundError,
)
from mesh.streams import store
from mesh.tasks import end

LONGEST_S: Final = 310.0  # the longest request an endpoint allows, and a little
MARGIN_S: Final = 5.0
PUBLISH_REFUSED: Final = 'permissions violation for publish to "'
TAKEN_S: Final = 1.0  # what was enqueued just now is known to nobody for a moment

_T = TypeVar("_T")


class NatsTransport:
    """Asks through the broker."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._refused: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        bus.on_error.append(self._note_error)

    def __repr__(self) -> str:
        return f"<NatsTransport {self._bus!r}>"

    async def close(self) -> None:
        """Disconnect."""
        await self._bus.close()

    async def invoke(self, asked: Ask) -> Answer:
        """Ask and wait for the answer."""
        headers, timeout_s = dict(asked.headers), LONGEST_S
        if asked.timeout_s is not None:
            headers[wire.TIMEOUT_MS] = str(max(1, round(asked.timeout_s * 1000)))
            timeout_s = min(timeout_s, asked.timeout_s + MARGIN_S)
        subject = subjects.invoke(asked.endpoint)
        try:
            told = await self._allowed(
                subject,
                self._bus.request(subject, asked.body, headers=headers, timeout_s=timeout_s),
            )
        except NoRespondersError as exc:
            raise NoRespondersError("no gateway is running") from exc
        except BusTimeoutError as exc:
            raise DeadlineExceededError(f"no answer within {timeout_s:g} s") from exc
        return await self._read(told)

    async def submit(self, asked: Ask) -> str:
        """Queue a request; return its id."""
        request_id = str(uuid.uuid4())
        headers = asked.headers | {wire.REQUEST_ID: request_id, wire.MSG_ID: request_id}
        if asked.timeout_s is not None:
            headers[wire.TIMEOUT_MS] = str(max(1, round(asked.timeout_s * 1000)))
        subject = subjects.enqueue(asked.endpoint)
        await self._allowed(subject, store(self._bus, subject, asked.body, headers))
        return request_id

    async def result(self, endpoint: str, request_id: str, wait_s: float) -> Answer:
        """Return a queued request's result; listens for it until the time is over."""
        refuse_bad_id(request_id)
        subject, arrived = subjects.result(endpoint, request_id), asyncio.Event()

        async def note(message: Message) -> None:
            arrived.set()

        subscription = await self._bus.subscribe(subject, note)
        try:
            return await self._allowed(
                f"$JS.API.DIRECT.GET.{subjects.RESULTS_STREAM}.{subject}",
                self._result(endpoint, request_id, arrived, wait_s),
            )
        finally:
            with contextlib.suppress(BusError):
                await self._bus.leave(subscription)

    async def _result(
        self, endpoint: str, request_id: str, arrived: asyncio.Event, wait_s: float
    ) -> Answer:
        await self._bus.flush()  # from here on nothing is missed
        message = await jobs.find_result(self._bus, endpoint, request_id)
        if message is not None:
            return await self._read(message)
        job = await jobs.find(self._bus, endpoint, request_id)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(arrived.wait(), wait_s if job else max(wait_s, TAKEN_S))
        # What is heard may be a second result, which the stream has refused: it is asked.
        message = await jobs.find_result(self._bus, endpoint, request_id)
        if message is not None:
            return await self._read(message)
        if job is None and await jobs.find(self._bus, endpoint, request_id) is None:
            raise NotFoundError(f"no request '{request_id}', or it is more than a day old")
        raise NotFinishedError

    async def _read(self, message: Message) -> Answer:
        """Return the answer in a message; its body may lie in the broker apart from it.

        Raises:
            MeshError: it is not 2xx, or this user may not read the body there.
        """
        headers = message.headers or {}
        if wire.BODY not in headers:
            return read(message, message.data)
        claim = claims.parse(headers[wire.BODY])
        first = f"$JS.API.DIRECT.GET.{subjects.BODIES_STREAM}.{subjects.body(claim.id, 0)}"
        try:
            body = await self._allowed(first, bodies.read(self._bus, claim))
        except ForbiddenError as exc:
            raise ForbiddenError(
                f"the answer has {claim.size_bytes} bytes, more than a message may have: "
                f"ask for it over HTTP"
            ) from exc
        return read(message, body)

    async def _allowed(self, subject: str, step: Coroutine[Any, Any, _T]) -> _T:
        """Do what publishes on `subject`; the broker's refusal ends it, as no answer will come.

        Raises:
            ForbiddenError: this user may not publish there.
        """
        refused = self._refused.setdefault(subject.lower(), asyncio.Event())
        doing = asyncio.create_task(step)
        hearing = asyncio.create_task(refused.wait())
        try:
            await asyncio.wait({doing, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
        finally:
            await end([hearing, doing])
        raise ForbiddenError(f"this user may not publish on {subject}")

    def _note_error(self, text: str) -> None:
        """Hear `permissions violation for publish to "<subject>"`, which the library lowers."""
        _, _, rest = text.lower().partition(PUBLISH_REFUSED)
        refused = self._refused.pop(rest.rstrip('"'), None)
        if refused is not None:
            refused.set()


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
