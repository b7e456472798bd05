"""Requests with an idempotency key: the first one is run, every other one gets its answer.

The key is taken before the deployment is picked. Who finds it taken waits for the result of the
first request, and takes over under the same id when that one's time is over without one: the stream
of results keeps one per id, whoever stores it. Ring: service.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from typing import Final, Protocol

import msgspec

from gateway.call import Call, KeyedCall, new_request_id
from gateway.edge import Response
from gateway.idempotency import KEY, digest_of, is_final, is_refusal
from gateway.pending import Entry, Sink
from gateway.repeat import replay, reservation_of
from gateway.reserving import Held, Reservations, Taken
from gateway.withdrawal import Withdrawals
from mesh import jobs, subjects, wire
from mesh.bus import Message
from mesh.ear import Ear
from mesh.errors import (
    AnswerUnknownError,
    BusError,
    BusTimeoutError,
    CancelledRequestError,
    DeadlineExceededError,
    KeyReusedError,
    MeshError,
)
from mesh.records import ReservationRecord
from mesh.tasks import end, wait_for

log = logging.getLogger("gateway.keyed")

CLOSE_S: Final = 1.0
PAUSE_S: Final = 0.1
MARGIN_S: Final = 0.1  # who only waits ends by itself


class Door(Sink, Protocol):
    """Who serves every request, those without a key too."""

    def aim(self, call: Call) -> None:
        """Pick the deployment; raises what speaks against it."""

    def publish(self, call: Call) -> None:
        """Send a request to the deployment that was picked."""

    def refuse(self, call: Call, error: MeshError) -> None:
        """Tell the client why there is no answer."""

    def finish(self, call: Call, response: Response) -> None:
        """Give the client an answer that no worker was asked for."""


class Keyed:
    """Serves requests with a key, and is the sink of those that are run."""

    def __init__(self, reservations: Reservations, door: Door, withdrawals: Withdrawals) -> None:
        self._reservations = reservations
        self._outcomes = reservations.outcomes
        self._bus = reservations.bus
        self._door = door
        self._withdrawals = withdrawals
        self._waiting: dict[KeyedCall, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._now = asyncio.get_running_loop().time
        self._bus.on_reconnect(self._look_again)

    def __repr__(self) -> str:
        return f"<Keyed {len(self._waiting)} wait>"

    async def close(self) -> None:
        """Finish what frees keys; give up what waits: its clients are gone."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        await end(self._tasks)

    def check(self, call: KeyedCall) -> None:
        """Read the key.

        Raises:
            RequestError: it is none.
        """
        exchange = call.exchange
        call.key_subject = subjects.reservation(
            exchange.route.endpoint, digest_of(exchange.headers[KEY])
        )

    def start(self, call: KeyedCall) -> None:
        """Run a request, or find the answer that another one has under its key."""
        call.sink = self
        self._spawn(self._serve(call))

    def abandon(self, call: KeyedCall) -> None:
        """Forget a request whose client is gone; one that runs is stopped, and the key is free."""
        if call in self._waiting:
            self._waiting[call].set()
        if call.is_out:
            self._spawn(self._cancel(call))

    def acknowledged(self, entry: Entry) -> None:
        """Copy it to its mirror, as every request."""
        self._door.acknowledged(entry)

    def answered(self, entry: Entry, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer with what the worker says, or has found stored before."""
        if not isinstance(entry, KeyedCall) or entry.exchange.disconnected:
            return
        if wire.STORED in headers:
            self._spawn(self._fetch(entry, BusError("the result is not there")))
        else:
            self._door.answered(entry, body, headers)

    def failed(self, entry: Entry, error: MeshError) -> None:
        """Free the key if nothing was queued; if nobody knows, look for the result."""
        if not isinstance(entry, KeyedCall):
            return
        if isinstance(error, AnswerUnknownError):
            self._spawn(self._fetch(entry, error))
        else:
            self._spawn(self._fail(entry, error))

    async def _serve(self, call: KeyedCall) -> None:
        try:
            response = await self._reserve_in_time(call)
        except MeshError as error:
            self._outcomes["conflict"] += isinstance(error, KeyReusedError)
            self._door.refuse(call, error)
        except Exception:  # a bug: its client is told, and waits no longer
            log.exception("keyed.broken request=%s", call.request_id)
            self._door.refuse(call, MeshError())
        else:
            if response is None:
                await self._run(call)
            else:
                self._outcomes["replayed"] += 1
                self._door.finish(call, response)

    async def _reserve_in_time(self, call: KeyedCall) -> Response | None:
        wanted = await reservation_of(call)
        until_s = call.until_s or self._now() + wanted.timeout_s
        try:
            async with asyncio.timeout_at(until_s + MARGIN_S):
                return await self._reserve(call, wanted, until_s)
        except TimeoutError as exc:
            raise BusTimeoutError("the broker did not answer in time") from exc

    async def _reserve(
        self, call: KeyedCall, wanted: ReservationRecord, until_s: float
    ) -> Response | None:
        """Return the first one's answer, or None if this is the first."""
        has_waited = False
        while not call.exchange.disconnected:
            try:
                found = await self._look(call, wanted, until_s)
            except BusError:
                if not has_waited or self._now() > until_s:
                    raise
                await asyncio.sleep(PAUSE_S)  # the broker is not quite back yet
                continue
            if isinstance(found, Held):
                self._hold(call, found, until_s)
                return None
            if found is not None:
                return found
            has_waited = True
        raise CancelledRequestError

    async def _look(
        self, call: KeyedCall, wanted: ReservationRecord, until_s: float
    ) -> Held | Response | None:
        """Look what stands under the key; None if it is worth another look."""
        endpoint = call.exchange.route.endpoint
        found = await self._reservations.take(endpoint, call.key_subject, wanted)
        if isinstance(found, Taken) and found.verdict == "wait":
            async with Ear(self._bus) as ear:  # from here on nothing is missed
                found = await self._reservations.take(endpoint, call.key_subject, wanted, ear)
                if isinstance(found, Taken) and found.verdict == "wait":
                    await self._wait(call, ear, min(found.until_s, until_s), until_s)
                    return None
        return replay(call, found) if isinstance(found, Taken) else found

    async def _wait(self, call: KeyedCall, ear: Ear, look_s: float, until_s: float) -> None:
        now_s = self._now()
        if until_s <= now_s:
            raise DeadlineExceededError
        self._waiting[call] = ear.heard
        try:
            await wait_for(ear.heard, look_s - now_s)
        finally:
            del self._waiting[call]

    def _hold(self, call: KeyedCall, held: Held, until_s: float) -> None:
        is_first = held.record.request_id == call.request_id
        self._outcomes["first" if is_first else "taken_over"] += 1
        call.request_id = held.record.request_id
        call.seq_held, call.wanted, call.until_s = held.seq, held.record, until_s

    async def _run(self, call: KeyedCall) -> None:
        """Publish a request whose key is held, unless something speaks against it."""
        try:
            await self._aim(call)
            if call.exchange.disconnected:
                raise CancelledRequestError
        except MeshError as error:
            await self._free(call)
            self._door.refuse(call, error)
        else:
            self._door.publish(call)

    async def _aim(self, call: KeyedCall) -> None:
        """Pick the deployment; write down what others need to know of it."""
        self._door.aim(call)
        record = call.wanted
        known = call.exchange.route.targets.get(record.deployment)
        if known is not None:  # it may be queued there already
            call.aim(known, None)
        if record.queued or call.timeout_s < record.timeout_s:
            limit_s = record.timeout_s if record.queued else call.timeout_s
            record = msgspec.structs.replace(record, deployment=call.deployment, timeout_s=limit_s)
            call.seq_held = await self._reservations.rewrite(
                call.key_subject, record, call.seq_held
            )
        call.timeout_s = min(call.timeout_s, call.until_s - self._now())
        if call.timeout_s <= 0:
            raise DeadlineExceededError

    async def _fetch(self, call: KeyedCall, error: MeshError) -> None:
        """Answer with the result that is stored; with the error if there is none."""
        endpoint = call.exchange.route.endpoint
        result: Message | None = None
        with contextlib.suppress(BusError):
            result = await jobs.find_result(self._bus, endpoint, call.request_id)
        if call.exchange.disconnected:
            return
        if result is None:
            self._door.failed(call, error)
        elif not is_final(result.headers or {}):
            await self._start_over(call)
        else:
            self._door.answered(call, result.data, jobs.answer_headers(result.headers or {}))

    async def _start_over(self, call: KeyedCall) -> None:
        """Serve a request anew whose id was cancelled: by the one it had taken over from."""
        call.come_back()
        call.request_id, call.ack = new_request_id(), None
        await self._serve(call)

    async def _fail(self, call: KeyedCall, error: MeshError) -> None:
        if is_refusal(error, queued=call.wanted.queued):
            await self._free(call)
        if not call.exchange.disconnected:
            self._door.failed(call, error)

    async def _free(self, call: KeyedCall) -> None:
        with contextlib.suppress(MeshError):  # else it is free when its time is over
            await self._reservations.free(call.key_subject, call.seq_held)
            self._outcomes["freed"] += 1

    async def _cancel(self, call: KeyedCall) -> None:
        """Store that it was cancelled; if it had a result before, that one counts."""
        body, headers = jobs.failure(CancelledRequestError())
        endpoint = call.exchange.route.endpoint
        try:
            is_first = await jobs.keep_result(self._bus, endpoint, call.request_id, body, headers)
        except BusError as exc:  # the key is free when the request's time is over
            log.info("keyed.not_cancelled request=%s %s", call.request_id, exc)
            self._withdrawals.withdraw(call)
            return
        if is_first:
            self._outcomes["freed"] += 1
            self._withdrawals.withdraw(call)

    async def _look_again(self) -> None:
        """Let those who wait look: what was told meanwhile, they have not heard."""
        for heard in self._waiting.values():
            heard.set()

    def _spawn(self, step: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
