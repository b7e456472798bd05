"""The client's way over NATS: a user of the broker who may produce. Ring: adapter."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from mesh import bodies, claims, jobs, subjects, wire
from mesh.access import sign_in
from mesh.bus import ApiError, Bus, Message
from mesh.client.answer import Answer, Status
from mesh.client.client import Access
from mesh.client.options import Ask
from mesh.client.replies import PUBLISH_REFUSED, Replies, read
from mesh.client.transport import patience_s
from mesh.connect import broker_access
from mesh.ear import Ear
from mesh.errors import (
    AnswerUnknownError,
    BusError,
    BusTimeoutError,
    DeadlineExceededError,
    ForbiddenError,
    MeshError,
    NoRespondersError,
    NotFinishedError,
    NotFoundError,
    QueueFullError,
)
from mesh.jobs import JobStatus
from mesh.settings import BrokerAccess, producer_inbox
from mesh.streams import is_full, read_ack
from mesh.tasks import end, wait_for

CONNECT_S: Final = 5.0
ACK_S: Final = 5.0
OUTAGE_S: Final = 30.0  # shorter than the window in which the broker knows an id
LOOK_S: Final = 5.0
AGAIN_S: Final = 0.05
TAKEN_S: Final = 1.0  # what was enqueued just now is known to nobody for a moment

_T = TypeVar("_T")


async def connect(url: str, access: Access) -> NatsTransport:
    """Sign in to a broker, or to that of a state folder.

    Raises:
        BusError: it does not answer, it refuses us, or no mesh runs there.
    """
    user = access.get("user", "")
    if url:
        inbox = access.get("inbox_prefix") or (producer_inbox(user) if user else "_INBOX")
        password = access.get("password", "")
        broker = BrokerAccess(url=url, user=user, password=password, inbox_prefix=inbox)
    else:
        broker = broker_access(access.get("state_dir"))
    transport = NatsTransport(await sign_in(broker, "mesh-client", CONNECT_S))
    await transport.open()
    return transport


class NatsTransport:
    """Asks through the broker."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._replies = Replies(bus)
        self._refused: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        self._back = asyncio.Event()
        self._back.set()
        bus.on_error.append(self._note_error)
        bus.on_away(self._back.clear)
        bus.on_reconnect(self._note_back)

    def __repr__(self) -> str:
        return f"<NatsTransport {self._bus!r}>"

    async def open(self) -> None:
        """Listen for answers."""
        await self._replies.open()

    async def close(self) -> None:
        """Disconnect."""
        await self._bus.close()

    async def invoke(self, asked: Ask) -> Answer:
        """Ask and wait for the answer; with a key, again if the connection was lost meanwhile."""
        until_s = time.monotonic() + patience_s(asked)
        try:
            if not asked.key:
                return await self._invoke(asked, until_s)
            return await self._through_outages(lambda: self._invoke(asked, until_s), until_s)
        except NoRespondersError as exc:
            raise NoRespondersError("no gateway is running") from exc
        except BusTimeoutError as exc:
            raise DeadlineExceededError(f"{exc}, the mesh's own included") from exc

    async def _invoke(self, asked: Ask, until_s: float) -> Answer:
        headers = asked.headers | asked.marks
        if asked.timeout_ms:
            headers[wire.TIMEOUT_MS] = asked.timeout_ms
        subject, left_s = subjects.invoke(asked.endpoint), until_s - time.monotonic()
        abandon = subjects.abandon(asked.endpoint)
        told = await self._replies.ask(subject, asked.body, headers, left_s, abandon=abandon)
        return await self._read(told)

    async def submit(self, asked: Ask) -> str:
        """Queue a request; return its id. It is sent again, as the same, if nobody confirms it."""
        request_id = str(uuid.uuid4())
        headers = asked.headers | asked.marks
        headers |= {wire.REQUEST_ID: request_id, wire.MSG_ID: request_id}
        if asked.timeout_ms:
            headers[wire.TIMEOUT_MS] = asked.timeout_ms
        subject = subjects.enqueue(asked.endpoint)

        async def store() -> None:
            told = await self._replies.ask(subject, asked.body, headers, ACK_S)
            read_ack(subject, told.data)

        try:
            await self._through_outages(store, time.monotonic() + OUTAGE_S)
        except ApiError as exc:
            if is_full(exc.err_code, exc.message):
                raise QueueFullError("too much waits to be queued") from exc
            raise
        return request_id

    async def result(self, endpoint: str, request_id: str, wait_s: float | None) -> Answer:
        """Return a queued request's result; listens for it until the time is over."""
        until_s = math.inf if wait_s is None else time.monotonic() + wait_s
        async with Ear(self._bus) as ear:
            await ear.listen(subjects.result(endpoint, request_id))
            while True:
                ear.heard.clear()
                status = await self._through_outages(
                    lambda: self._known(endpoint, request_id), time.monotonic() + OUTAGE_S
                )
                if status.result is not None:
                    return await self._read(status.result)
                if status.has_ended:
                    raise DeadlineExceededError("it was not run within its time limit")
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    raise NotFinishedError
                # What is heard may be a second result, which the stream has refused: it is asked.
                await wait_for(ear.heard, min(left_s, _look_s(status)))

    async def status(self, endpoint: str, request_id: str) -> Status:
        """Say what has become of a queued request."""
        known = await self._known(endpoint, request_id)
        return Status(
            id=request_id,
            state=known.state,
            deployment=known.deployment or None,
            lane=known.lane,
            attempt=known.attempt,
            submitted_at=_instant(known.submitted_at_s),
            expires_at=_instant(known.expires_at_s),
        )

    async def cancel(self, endpoint: str, request_id: str) -> None:
        """Cancel a queued request."""
        subject, headers = subjects.withdraw(endpoint), {wire.REQUEST_ID: request_id}

        async def ask() -> None:
            await self._read(await self._replies.ask(subject, b"", headers, ACK_S))

        try:
            await _once_taken(ask)
        except NoRespondersError as exc:
            raise NoRespondersError("no gateway is running") from exc

    async def _known(self, endpoint: str, request_id: str) -> JobStatus:
        """Return what is known of a request."""
        subject = subjects.job(endpoint, request_id)  # what is asked first
        return await _once_taken(
            lambda: self._allowed(
                f"$JS.API.DIRECT.GET.{subjects.JOBS_STREAM}.{subject}",
                jobs.known(self._bus, endpoint, request_id),
            )
        )

    async def _through_outages(self, step: Callable[[], Awaitable[_T]], until_s: float) -> _T:
        """Do what may be done twice, again after each lost connection until the time is over.

        Raises:
            MeshError: it is refused, or the broker stays away.
        """
        while True:
            try:
                return await step()
            except BusError as exc:
                if isinstance(exc, ApiError | NoRespondersError):
                    raise
                lost: MeshError = exc
            except AnswerUnknownError as exc:
                lost = exc
            await asyncio.sleep(AGAIN_S)
            await wait_for(self._back, until_s - time.monotonic())
            if time.monotonic() >= until_s:
                raise lost

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

    async def _note_back(self) -> None:
        self._back.set()


async def _once_taken(step: Callable[[], Awaitable[_T]]) -> _T:
    """Do a step again while the request is not known: it may have been enqueued just now."""
    until_s = time.monotonic() + TAKEN_S
    while True:
        try:
            return await step()
        except NotFoundError:
            if time.monotonic() > until_s:
                raise
        await asyncio.sleep(AGAIN_S)


def _look_s(status: JobStatus) -> float:
    """Return when to look again: its time may be over, which nobody tells."""
    over_s = status.expires_at_s + jobs.GRACE_S - time.time()
    return min(LOOK_S, over_s) if over_s > 0 else LOOK_S


def _instant(at_s: float) -> datetime | None:
    return datetime.fromtimestamp(at_s, UTC) if at_s else None
