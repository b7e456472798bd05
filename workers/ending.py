"""How requests end: answered, let go, handed back, or buried; always acknowledged last.

Order is everything here: the answer goes out before the acknowledgement, a dead letter is
confirmed by its stream before either. Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Final, Literal

from mesh import wire
from mesh.bus import Bus
from mesh.errors import (
    BusError,
    CancelledRequestError,
    DeadlineExceededError,
    MeshError,
    PoisonError,
    RequestError,
)
from mesh.jobs import finish
from mesh.kept import keep_request
from mesh.statuses import status_of
from mesh.streams import store
from workers.answer import Reply, Speaker, refusal
from workers.attempts import Attempts, Tried
from workers.bodies import Bodies
from workers.outbox import Outbox
from workers.tally import WorkerTally
from workers.work import Work

log = logging.getLogger("workers.ending")

ACK_KEEP_S: Final = 60.0
KEEP_S: Final = 15.0
KEEP_AGAIN_S: Final = 0.5
REPORT_S: Final = 0.1  # a quarter of the shortest time the broker waits for a sign of life
POISON_STATUS: Final = 500
LET_GO: Final[dict[str, type[MeshError]]] = {
    "expired": DeadlineExceededError,
    "cancelled": CancelledRequestError,
}


class Endings:
    """Carries out the end of each request."""

    def __init__(
        self,
        bus: Bus,
        outbox: Outbox,
        attempts: Attempts,
        speaker: Speaker,
        tally: WorkerTally,
        bodies: Bodies,
    ) -> None:
        self._bus = bus
        self._bodies = bodies
        self._outbox = outbox
        self._attempts = attempts
        self._speaker = speaker
        self._tally = tally
        self._loop = asyncio.get_running_loop()
        self._steps: set[asyncio.Task[None]] = set()

    def answer(self, work: Work, reply: Reply) -> None:
        """Answer and acknowledge; what is to be kept is kept before either."""
        reply = self._bodies.fit(reply)
        if self._bodies.is_large(work, reply):
            self.spawn(self._answer_large(work, reply))
        else:
            self._answer(work, reply)

    def _answer(self, work: Work, reply: Reply) -> None:
        if work.is_kept:
            self.spawn(self._keep(work, reply))
        else:
            self._say(work, reply)
            self._acknowledge(work)

    def let_go(self, work: Work, outcome: Literal["expired", "cancelled"]) -> None:
        """End a request that nobody waits for any more: it is not run again.

        A queued one gets a result that says so: somebody may ask for it. One with a key, whose
        caller waited, gets none: it may be sent again.
        """
        self._tally.count(outcome)
        if work.is_kept and not work.reply:
            error = LET_GO[outcome]()
            self.spawn(self._keep(work, refusal(error, status_of(error.code))))
        else:
            self._acknowledge(work)

    def hand_back(self, work: Work) -> None:
        """Give a request that was never begun back to the queue; this is not an attempt."""
        self._tally.count("handed_back")
        self._outbox.send(work.ack, wire.NAK, keep_until_s=work.deadline_s)

    def retry(self, work: Work) -> None:
        """Give a request back whose runner died with it, the attempt recorded first."""
        self.spawn(self._retry(work))

    def bury(self, work: Work, reason: str, attempts: int) -> None:
        """Give a request up: dead-letter it, tell the caller, acknowledge.

        What was never tried, with no attempt at all, is no request: that is its sender's fault.
        """
        self.spawn(self._bury(work, reason, attempts))

    def still_working(self, work: Work, now_s: float) -> None:
        """Tell the broker that the request is in hand."""
        work.held_s = now_s
        self._outbox.send(work.ack, wire.IN_PROGRESS)

    def note_begun(self, work: Work) -> None:
        """Tell those who ask for a queued request that it runs."""
        self._outbox.send(*self._speaker.begun(work))

    def spawn(self, step: Coroutine[None, None, None]) -> None:
        """Run a step that has to wait for the broker; `drained` waits for it."""
        task = asyncio.create_task(step)
        self._steps.add(task)
        task.add_done_callback(self._steps.discard)

    async def drained(self) -> None:
        """Wait until every step is done and all is sent."""
        while self._steps:
            await asyncio.gather(*self._steps)
        await self._outbox.drained()

    async def _answer_large(self, work: Work, reply: Reply) -> None:
        """Store the body, then answer with its name; nobody else is to run it meanwhile."""

        def report() -> None:
            now_s = self._loop.time()
            if now_s - work.held_s > REPORT_S:
                self.still_working(work, now_s)

        self._answer(work, await self._bodies.stored(work, reply, report))

    def _say(self, work: Work, reply: Reply) -> None:
        if work.is_shadow:
            subject, body = self._speaker.shadow(work, reply)
            self._outbox.send(subject, body, keep_until_s=work.deadline_s)
        elif work.reply:
            fields = self._speaker.fields(work, reply)
            self._outbox.send(work.reply, reply.body, fields, keep_until_s=work.deadline_s)

    def _acknowledge(self, work: Work) -> None:
        self._outbox.send(work.ack, wire.ACK, keep_until_s=self._loop.time() + ACK_KEEP_S)
        if work.is_redelivered:
            self.spawn(self._forget(work.seq))

    async def _keep(self, work: Work, reply: Reply) -> None:
        """Keep a result for sure, and only then answer; the first one that is kept counts."""
        until_s = self._loop.time() + KEEP_S
        while (is_first := await self._is_first(work, reply)) is None:
            now_s = self._loop.time()
            if now_s > until_s:
                if reply.code != PoisonError.code:
                    await self._uncount(work)
                self.hand_back(work)
                return
            self.still_working(work, now_s)
            await asyncio.sleep(KEEP_AGAIN_S)
        if is_first:
            self._say(work, reply)
        elif work.reply:
            fields = self._speaker.stored_fields()
            self._outbox.send(work.reply, b"", fields, keep_until_s=work.deadline_s)
        self._acknowledge(work)

    async def _is_first(self, work: Work, reply: Reply) -> bool | None:
        """Tell whether a result is kept now, or another was before; None if nobody knows."""
        headers = self._speaker.result(work, reply)
        endpoint = self._speaker.endpoint
        try:
            if reply.code and not work.reply:
                await keep_request(self._bus, endpoint, work.request_id, work.body, work.headers)
            webhook, result = work.headers.get(wire.WEBHOOK, ""), (reply.body, headers)
            return await finish(self._bus, endpoint, work.request_id, result, webhook)
        except BusError as exc:
            log.warning("ending.not_kept request=%s %s", work.request_id, exc)
            return None

    async def _uncount(self, work: Work) -> None:
        """Take back the attempt on record: the request did not bring anything down."""
        if work.is_redelivered:
            try:
                await self._attempts.write(work.seq, Tried(work.attempt - 1, work.errors))
            except BusError as exc:
                log.warning("ending.attempt_counted request=%s %s", work.request_id, exc)

    async def _forget(self, seq: int) -> None:
        try:
            await self._attempts.forget(seq)
        except BusError as exc:
            log.debug("ending.attempts_kept seq=%d %s", seq, exc)  # they expire by themselves

    async def _retry(self, work: Work) -> None:
        try:
            await self._attempts.write(work.seq, Tried(work.attempt, work.errors))
        except BusError as exc:
            log.warning("ending.attempt_unrecorded request=%s %s", work.request_id, exc)
        self.hand_back(work)

    async def _bury(self, work: Work, reason: str, attempts: int) -> None:
        log.error("ending.dead request=%s attempts=%d %s", work.request_id, attempts, reason)
        subject, body = self._speaker.dead_letter(work, reason, attempts)
        try:
            await store(self._bus, subject, body, {wire.MSG_ID: f"{subject}.{work.seq}"})
        except BusError as exc:
            log.warning("ending.not_buried request=%s %s", work.request_id, exc)
            self.hand_back(work)
            return
        self._tally.count("dead")
        self.answer(work, _given_up(reason, attempts))


def _given_up(reason: str, attempts: int) -> Reply:
    if attempts:
        return refusal(PoisonError(reason), POISON_STATUS)
    return refusal(RequestError(reason), status_of(RequestError.code))
