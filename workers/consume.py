"""From the work queue to the runners and back: each request ends exactly once.

Owns the flow of one instance: what is delivered is put on the desk, run when the desk says so,
and ended by `workers.ending`. Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from mesh import topology, wire
from mesh.clock import BrokerClock
from mesh.subjects import LANES, Lane
from workers.answer import Speaker, joined_reply
from workers.attempts import Attempts
from workers.bodies import Bodies
from workers.desk import Desk
from workers.ending import Endings
from workers.exchange import Exit, Outcome
from workers.fetching import Fetching, Steps
from workers.instance import Instance
from workers.intake import Intake
from workers.outbox import Outbox
from workers.pull import Delivery
from workers.repeat import Repeats
from workers.runtime import NoRunners, Runners
from workers.sample import sampled
from workers.tally import FAILURE, WorkerTally
from workers.trial import Trials
from workers.work import Malformed, Work, begin_by_s, decode, malformed_work, run_request

log = logging.getLogger("workers.consume")

RUNNER_PATIENCE_S: Final = 0.5
OVERRUN: Final = 0.9


class Consumer:
    """Serves one deployment's queue with one instance's runners.

    `on_answer` hears of each failure of the model, with `is_on_probation` of each answer.
    """

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
        self._idle = asyncio.Event()
        self._number = 0
        self._chunks: dict[int, list[Outcome]] = {}
        self._ready_at_s = self._loop.time()
        self._stopping = False
        self._is_halted = False
        self._report_after_s: dict[Lane, float] = {
            lane: topology.ack_wait_s(lane, spec.timeout_s) / 4 for lane in LANES
        }
        self.desk = Desk(spec.slots)
        self.tally = WorkerTally()
        self.intake = Intake(instance, self.desk, self.tally, clock, self.deliver)
        self.on_answer: Callable[[float], None] = lambda _: None
        self.is_on_probation = False
        speaker = Speaker(instance.address, instance.record.generation)
        self._end = Endings(instance.bus, outbox, attempts, speaker, self.tally, bodies)
        self._answers = sampled(instance, Repeats(spec.mesh.retry, attempts, self._end, outbox))
        self._fetching = Fetching(bodies, self.desk, self._end, Steps(self._run, self._start_more))
        self._trials = Trials(attempts, self._end, spec.mesh.max_attempts)

    def __repr__(self) -> str:
        return f"<Consumer {self._instance.stream} {self.desk!r}>"

    def attach(self, runners: Runners) -> None:
        """Serve with these runners."""
        self._runners = runners

    async def run(self) -> None:
        """Keep asking for as much as there is room for, while the intake is open."""
        await self.intake.run(lambda: self._runners.is_ready)

    def limit(self, slots: int, *, is_on_probation: bool) -> None:
        """Run so many requests at once; on probation one message is asked for at a time."""
        self.desk.load.slots = slots
        self.is_on_probation = self.intake.one_by_one = is_on_probation
        self._start_more(self._loop.time())
        self.intake.ask()

    def halt(self) -> None:
        """Begin nothing any more until `release`."""
        self._is_halted = True

    async def stop_pulling(self) -> None:
        """Take no more, and give back what has not begun."""
        await self.intake.close()
        self.hand_back_waiting()

    def release(self) -> None:
        """Begin requests again."""
        if self._is_halted:
            self._is_halted = False
            self._start_more(self._loop.time())

    def deliver(self, delivery: Delivery | None) -> None:
        """Take in one message; None only says that the credit has changed."""
        if delivery is None:
            self.intake.ask()
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
        if self._stopping or self._is_halted:
            self._end.hand_back(work)
            return
        now_s = self._loop.time()
        self.desk.accept(work, now_s)
        self._start_more(now_s)

    def _start_more(self, now_s: float) -> None:
        desk = self.desk
        if self._runners.is_ready and not self._is_halted:
            while (work := desk.start_next(now_s)) is not None:
                self._begin(work, now_s)
            while desk.suspects and (suspect := desk.start_suspect(now_s)) is not None:
                self._begin(suspect, now_s)
        self.intake.ask_if_short()
        if self._stopping and not len(desk):
            self._idle.set()

    def _latest_s(self, work: Work) -> float:
        if self.desk.load.waiting or self.intake.backlog[work.lane]:
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
            self._note_overrun(work, outcome, now_s)
            self._end.let_go(work, "cancelled" if work.cancelled else "expired")
        else:
            self.tally.observe(work, outcome.status, outcome.run_ms / 1000, now_s)
            self._answers.answer(work, joined_reply(outcome, chunks or []))
            if outcome.status >= FAILURE or self.is_on_probation:
                self.on_answer(now_s)
        self._start_more(now_s)

    def _note_overrun(self, work: Work, outcome: Outcome, now_s: float) -> None:
        """Count a failure if it had its time to run, and was cancelled for that."""
        had_time = now_s - work.started_s >= OVERRUN * self._spec.timeout_s
        if outcome.cancelled and not work.cancelled and had_time:
            self.tally.fail()
            self.on_answer(now_s)

    def on_exit(self, exit_: Exit) -> None:
        """Settle what a runner that died had in hand: what it had begun, and what not."""
        now_s = self._loop.time()
        for number in sorted(exit_.waiting, reverse=True):
            self.desk.put_back(number, now_s)
        is_failure = False
        for number in exit_.started | exit_.stopped:
            self._chunks.pop(number, None)
            if (work := self.desk.finish(number, now_s)) is not None:
                is_failure |= not (work.cancelled or work.is_suspect)
                self._settle_crash(work, exit_, now_s)
        if is_failure:  # one, however many it had in hand
            self.tally.fail()
            self.on_answer(now_s)
        self._start_more(now_s)

    def on_room(self) -> None:
        """Start what waits: a runner takes requests (again)."""
        self._ready_at_s = self._loop.time()
        self._start_more(self._ready_at_s)

    def _settle_crash(self, work: Work, exit_: Exit, now_s: float) -> None:
        if work.cancelled or work.number in exit_.stopped or work.deadline_s <= now_s:
            self._end.let_go(work, "cancelled" if work.cancelled else "expired")
            return
        self._trials.settle(work, exit_.reason)

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
        is_away = now_s - self._ready_at_s > RUNNER_PATIENCE_S
        if is_away or (self._is_halted and not self.intake.is_open):
            self.hand_back_waiting()
        self._start_more(now_s)
        self.intake.ask()

    async def drain(self, timeout_s: float) -> int:
        """Stop pulling, run what arrived, acknowledge; return how many were handed back."""
        self._stopping = True
        await self.intake.close()
        if self._is_halted:
            self.hand_back_waiting()
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
