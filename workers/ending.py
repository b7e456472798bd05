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
    BackendError,
    BusError,
    CancelledRequestError,
    DeadlineExceededError,
    MeshError,
    PoisonError,
)
from mesh.jobs import keep_result
from mesh.statuses import status_of
from mesh.streams import store
from workers.answer import Reply, Speaker, refusal
from workers.attempts import Attempts
from workers.outbox import ACK, IN_PROGRESS, NAK, Outbox
from workers.tally import WorkerTally
from workers.work import Work

log = logging.getLogger("workers.ending")

ACK_KEEP_S: Final = 60.0
KEEP_S: Final = 15.0
KEEP_AGAIN_S: Final = 0.5
POISON_STATUS: Final = 500
LET_GO: Final[dict[str, type[MeshError]]] = {
    "expired": DeadlineExceededError,
    "cancelled": CancelledRequestError,
}


class Endings:
    """Carries out the end of each request."""

    def __init__(
        self, bus: Bus, outbox: Outbox, attempts: Attempts, speaker: Speaker, tally: WorkerTally
    ) -> None:
        self._bus = bus
        self._outbox = outbox
        self._attempts = attempts
        self._speaker = speaker
        self._tally = tally
        self._loop = asyncio.get_running_loop()
        self._steps: set[asyncio.Task[None]] = set()

    def answer(self, work: Work, reply: Reply) -> None:
        """Answer and acknowledge; what is to be kept is kept first."""
        reply = self._fit(reply)
        if work.is_kept:
            self.spawn(self._keep(work, reply))
        else:
            self._say(work, reply)
            self._acknowledge(work)

    def let_go(self, work: Work, outcome: Literal["expired", "cancelled"]) -> None:
        """End a request that nobody waits for any more: it is not run again.

        One whose result is kept gets one that says so: somebody may ask for it.
        """
        self._tally.count(outcome)
        if work.is_kept:
            error = LET_GO[outcome]()
            self.spawn(self._keep(work, refusal(error, status_of(error.code))))
        else:
            self._acknowledge(work)

    def hand_back(self, work: Work) -> None:
        """Give a request that was never begun back to the queue; this is not an attempt."""
        self._tally.count("handed_back")
        self._outbox.send(work.ack, NAK, keep_until_s=work.deadline_s)

    def retry(self, work: Work) -> None:
        """Give a request back whose runner died with it, the attempt recorded first."""
        self.spawn(self._retry(work))

    def bury(self, work: Work, reason: str, attempts: int) -> None:
        """Give a request up: dead-letter it, tell the caller, acknowledge."""
        self.spawn(self._bury(work, reason, attempts))

    def still_working(self, work: Work, now_s: float) -> None:
        """Tell the broker that the request is in hand."""
        work.held_s = now_s
        self._outbox.send(work.ack, IN_PROGRESS)

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

    def _fit(self, reply: Reply) -> Reply:
        limit = self._bus.max_body_bytes
        if len(reply.body) <= limit:
            return reply
        text = f"the answer of {len(reply.body)} bytes is larger than {limit} bytes"
        return refusal(BackendError(text), reply.status)

    def _say(self, work: Work, reply: Reply) -> None:
        if work.is_shadow:
            subject, body = self._speaker.shadow(work, reply)
            self._outbox.send(subject, body, keep_until_s=work.deadline_s)
        elif work.reply:
            fields = self._speaker.fields(work, reply)
            self._outbox.send(work.reply, reply.body, fields, keep_until_s=work.deadline_s)

    def _acknowledge(self, work: Work) -> None:
        self._outbox.send(work.ack, ACK, keep_until_s=self._loop.time() + ACK_KEEP_S)
        if work.is_redelivered:
            self.spawn(self._forget(work.seq))

    async def _keep(self, work: Work, reply: Reply) -> None:
        """Keep a result for sure, and only then acknowledge; the first one that is kept counts."""
        until_s = self._loop.time() + KEEP_S
        while not await self._is_kept(work, reply):
            now_s = self._loop.time()
            if now_s > until_s:
                if reply.code != PoisonError.code:
                    await self._uncount(work)
                self.hand_back(work)
                return
            self.still_working(work, now_s)
            await asyncio.sleep(KEEP_AGAIN_S)
        self._acknowledge(work)

    async def _is_kept(self, work: Work, reply: Reply) -> bool:
        headers = self._speaker.result(work, reply)
        endpoint = self._speaker.endpoint
        try:
            await keep_result(self._bus, endpoint, work.request_id, reply.body, headers)
        except BusError as exc:
            log.warning("ending.not_kept request=%s %s", work.request_id, exc)
            return False
        return True

    async def _uncount(self, work: Work) -> None:
        """Take back the attempt on record: the request did not bring anything down."""
        if work.is_redelivered:
            try:
                await self._attempts.write(work.seq, work.attempt - 1)
            except BusError as exc:
                log.warning("ending.attempt_counted request=%s %s", work.request_id, exc)

    async def _forget(self, seq: int) -> None:
        try:
            await self._attempts.forget(seq)
        except BusError as exc:
            log.debug("ending.attempts_kept seq=%d %s", seq, exc)  # they expire by themselves

    async def _retry(self, work: Work) -> None:
        try:
            await self._attempts.write(work.seq, work.attempt)
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
        self.answer(work, refusal(PoisonError(reason), POISON_STATUS))
