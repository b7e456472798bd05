"""How requests end: answered, let go, handed back, or buried; always acknowledged last.

Order is everything here: the answer goes out before the acknowledgement, a dead letter is
confirmed by its stream before either. Ring: service.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from typing import Final

from mesh.bus import Bus
from mesh.errors import BackendError, BusError, PoisonError
from workers.answer import Reply, Speaker, refusal
from workers.attempts import Attempts
from workers.outbox import ACK, IN_PROGRESS, NAK, Outbox
from workers.tally import WorkerTally
from workers.work import Work

log = logging.getLogger("workers.ending")

ACK_KEEP_S: Final = 60.0
POISON_STATUS: Final = 500


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
        """Answer and acknowledge."""
        self._say(work, reply)
        self._acknowledge(work)

    def let_go(self, work: Work, outcome: str) -> None:
        """End a request that nobody waits for any more: never answered, never run again."""
        self._tally.count(outcome)
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

    def _say(self, work: Work, reply: Reply) -> None:
        limit = self._bus.max_body_bytes
        if len(reply.body) > limit:
            text = f"the answer of {len(reply.body)} bytes is larger than {limit} bytes"
            reply = refusal(BackendError(text), reply.status)
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
            stored = json.loads((await self._bus.request(subject, body)).data)
            if "error" in stored:
                raise BusError(f"{subject}: {stored['error'].get('description')}")
        except BusError as exc:
            log.warning("ending.not_buried request=%s %s", work.request_id, exc)
            self.hand_back(work)
            return
        self._tally.count("dead")
        self.answer(work, refusal(PoisonError(reason), POISON_STATUS))
