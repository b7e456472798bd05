"""From the work queue to the runners and back: each request ends exactly once.

Owns the flow of one instance: what is delivered is put on the desk, run when the desk says so,
and ended by `workers.ending`. Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from mesh import topology, wire
from mesh.clock import BrokerClock
from mesh.settle import Again, settle_crash
from mesh.subjects import LANES, Lane
from workers.answer import Speaker, joined_reply
from workers.attempts import Attempts
from workers.bodies import Bodies
from workers.desk import Desk
from workers.ending import Endings
from workers.exchange import Exit, Outcome
from workers.fetching import Fetching, Steps
from workers.instance import Instance
from workers.outbox import Outbox
from workers.policy import LOWER_LANES, interactive_batch, lower_batch, prefetch
from workers.pull import Delivery, Puller
from workers.repeat import Repeats
from workers.runtime import NoRunners, Runners
from workers.tally import WorkerTally
from workers.trial import Trials
from workers.work import Malformed, Work, begin_by_s, decode, malformed_work, run_request

log = logging.getLogger("workers.consume")

HOLD_ROUND_TRIPS: Final = 4
RUNNER_PATIENCE_S: Final = 0.5


class Consumer:
    """Serves one deployment's queue with one instance's runners."""

    def __init__(
        self,
        instance: Instance,
        outbox: Outbox,
        attempts: Attempts,
        clock: BrokerClock,
        bodies: Bodies,
    ) -> None:
        self._instance = instance
        self._spec = spec = instance.record.spec
        self._runners: Runners = NoRunners()
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._puller = Puller(instance.bus, instance.stream, self.deliver)
        self._demand = asyncio.Event()
        self._idle = asyncio.Event()
        self._number = 0
        self._chunks: dict[int, list[Outcome]] = {}
        self._ready_at_s = self._loop.time()
        self._stopping = False
        self._will_look = False
        self._report_after_s: dict[Lane, float] = {
            lane: topology.ack_wait_s(lane, spec.timeout_s) / 4 for lane in LANES
        }
        self.desk = Desk(spec.slots)
        self.tally = WorkerTally()
        speaker = Speaker(instance.address, instance.record.generation)
        self._end = Endings(instance.bus, outbox, attempts, speaker, self.tally, bodies)
        self._repeats = Repeats(spec.mesh.retry, attempts, self._end, outbox)
        self._fetching = Fetching(bodies, self.desk, self._end, Steps(self._run, self._start_more))
        self._trials = Trials(attempts, self._end, spec.mesh.max_attempts)

    def __repr__(self) -> str:
        return f"<Consumer {self._instance.stream} {self.desk!r}>"

    def attach(self, runners: Runners) -> None:
        """Serve with these runners."""
        self._runners = runners

    async def start(self) -> None:
        """Begin to pull, now and after each reconnect."""
        await self._restart_pulls()
        self._instance.bus.on_reconnect(self._restart_pulls)

    async def _restart_pulls(self) -> None:
        if not self._stopping:
            await self._puller.start()
            self._demand.set()

    async def run(self) -> None:
        """Keep the credit right for ever: at each change of demand, and as time goes by."""
        while True:
            await self._demand.wait()
            self._demand.clear()
            if not self._runners.is_ready:
                continue
            now_s, load, credit = self._loop.time(), self.desk.load, self._puller.credit
            ahead = prefetch(load.slots, self._clock.round_trip_s, self.tally.service_s)
            batch = interactive_batch(load.free, ahead, credit["interactive"])
            await self._puller.pull("interactive", batch)
            hold_s = HOLD_ROUND_TRIPS * self._clock.round_trip_s
            for lane in LOWER_LANES:
                if batch := lower_batch(lane, load, credit, now_s, hold_s):
                    load.asked_at_s[lane] = self._loop.time()
                    await self._puller.pull(lane, batch)

    def deliver(self, delivery: Delivery | None) -> None:
        """Take in one message; None only says that the credit has changed."""
        if delivery is None:
            self._demand.set()
            return
        now_s = self._loop.time()
        self._number += 1
        work = decode(
            delivery,
            number=self._number,
            address=self._instance.address,
            default_timeout_s=self._spec.timeout_s,
            clock=self._clock,
            now_s=now_s,
        )
        if isinstance(work, Malformed):
            self._end.bury(malformed_work(delivery, now_s), f"not a request: {work.reason}", 0)
        elif self.desk.early.take(work.request_id, now_s):
            self._end.let_go(work, "cancelled")
        elif work.is_redelivered:
            self.tally.redelivered += 1
            self._end.spawn(self._accept_redelivered(work))
        else:
            self.desk.accept(work, now_s)
            self._start_more(now_s)

    async def _accept_redelivered(self, work: Work) -> None:
        if not await self._trials.examine(work):
            return
        if self._stopping:
            self._end.hand_back(work)
            return
        now_s = self._loop.time()
        self.desk.accept(work, now_s)
        self._start_more(now_s)

    def _start_more(self, now_s: float) -> None:
        desk = self.desk
        if self._runners.is_ready:
            while (work := desk.start_next(now_s)) is not None:
                self._begin(work, now_s)
            while desk.suspects and (suspect := desk.start_suspect(now_s)) is not None:
                self._begin(suspect, now_s)
        if self._puller.credit["interactive"] <= desk.load.slots:
            self._demand.set()
        elif self._puller.is_lower_waiting and not self._will_look:
            self._will_look = True
            self._loop.call_later(HOLD_ROUND_TRIPS * self._clock.round_trip_s, self._look)
        if self._stopping and not len(desk):
            self._idle.set()

    def _look(self) -> None:
        """See whether a slot has been spare for long enough to fill it from a lower lane."""
        self._will_look = False
        self._demand.set()

    def _latest_s(self, work: Work) -> float:
        if self.desk.load.waiting or self.backlog[work.lane]:
            return begin_by_s(work, self.tally.mean_run_s)
        return work.deadline_s

    def _begin(self, work: Work, now_s: float) -> None:
        if self._latest_s(work) <= now_s:
            self.desk.finish(work.number, now_s)
            self._end.let_go(work, "expired")
        elif work.is_redelivered:
            self._end.spawn(self._record_and_run(work))
        else:
            self._submit(work)

    def _submit(self, work: Work) -> None:
        if work.lane != "interactive" and work.is_kept:
            self._end.note_begun(work)
        if wire.BODY in work.headers:
            self._fetching.start(work)
        else:
            self._run(work, work.body)

    def _run(self, work: Work, body: bytes) -> None:
        stop_s = self._loop.time() + self._spec.timeout_s
        self._runners.submit(run_request(work, body, self._latest_s(work), stop_s))

    async def _record_and_run(self, work: Work) -> None:
        if await self._trials.record(work):
            self._submit(work)
            return
        self.desk.finish(work.number, self._loop.time())
        self._start_more(self._loop.time())

    def on_result(self, outcome: Outcome) -> None:
        """Answer a request whose runner has answered, and start the next."""
        if not outcome.final:
            self._chunks.setdefault(outcome.number, []).append(outcome)
            return
        now_s = self._loop.time()
        work = self.desk.finish(outcome.number, now_s)
        chunks = self._chunks.pop(outcome.number, None) if self._chunks else None
        if work is None:
            return
        if work.cancelled or outcome.cancelled or outcome.expired:
            self._end.let_go(work, "cancelled" if work.cancelled else "expired")
        else:
            self.tally.observe(work, outcome.status, outcome.run_ms / 1000, now_s)
            self._repeats.answer(work, joined_reply(outcome, chunks or []))
        self._start_more(now_s)

    def on_exit(self, exit_: Exit) -> None:
        """Settle what a runner that died had in hand: what it had begun, and what not."""
        now_s = self._loop.time()
        for number in sorted(exit_.waiting, reverse=True):
            self.desk.put_back(number, now_s)
        for number in exit_.started | exit_.stopped:
            self._chunks.pop(number, None)
            if (work := self.desk.finish(number, now_s)) is not None:
                self._settle_crash(work, exit_, now_s)
        self._start_more(now_s)

    def on_room(self) -> None:
        """Start what waits: a runner takes requests (again)."""
        self._ready_at_s = self._loop.time()
        self._start_more(self._ready_at_s)

    def _settle_crash(self, work: Work, exit_: Exit, now_s: float) -> None:
        if work.cancelled or work.number in exit_.stopped or work.deadline_s <= now_s:
            self._end.let_go(work, "cancelled" if work.cancelled else "expired")
            return
        settled = settle_crash(work.attempt, self._spec.mesh.max_attempts, exit_.reason)
        if isinstance(settled, Again):
            self._end.retry(work)
        else:
            self._end.bury(work, settled.reason, settled.attempts)

    def hand_back_waiting(self) -> None:
        """Give what has not begun back to the queue, for other instances or a later start."""
        self.desk.drop(waiting := self.desk.all_waiting())
        for work in waiting:
            self._end.hand_back(work)

    def cancel(self, request_id: str) -> None:
        """Stop a request nobody waits for, also if it comes only now."""
        if (work := self.desk.find(request_id)) is None:
            self.desk.early.note(request_id, self._loop.time())
            return
        if work.number in self.desk.running:
            work.cancelled = True
            if not self._fetching.cancel(work):
                self._runners.cancel(work.number)
        else:
            self.desk.drop([work])
            self._end.let_go(work, "cancelled")

    def sweep(self, now_s: float) -> None:
        """Drop what is past its deadline, tell the broker what we hold, pull if it is time."""
        expired = self.desk.expired(now_s)
        self.desk.drop(expired)
        for work in expired:
            self._end.let_go(work, "expired")
        for work in self.desk.held:
            if now_s - work.held_s > self._report_after_s[work.lane]:
                self._end.still_working(work, now_s)
        if self._runners.is_ready:
            self._ready_at_s = now_s
        elif now_s - self._ready_at_s > RUNNER_PATIENCE_S:
            self.hand_back_waiting()
        self._start_more(now_s)
        self._demand.set()

    def sweep_pulls(self) -> None:
        """Forget pulls that were swallowed; call about once a second."""
        self._puller.sweep()

    @property
    def backlog(self) -> dict[Lane, int]:
        """What waited in each lane when a message of it was last delivered."""
        return self._puller.backlog

    async def drain(self, timeout_s: float) -> int:
        """Stop pulling, run what arrived, acknowledge; return how many were handed back."""
        self._stopping = True
        await self._puller.drain()
        if len(self.desk):
            try:
                async with asyncio.timeout(timeout_s):
                    await self._idle.wait()
            except TimeoutError:
                log.warning("consume.cut_off %r", self.desk)
        await self._fetching.close()
        left = list(self.desk.held)
        for work in left:
            self._end.hand_back(work)
        await self._end.drained()
        return len(left)
