"""Replaying a demand through a policy: every request, every decision, the same for a seed.

Requests wait in one queue and go to the slot that has been free the longest. Four times a second
the policy is shown what a scaler would know, and its count is carried out at once. Ring: decisions.
"""

from __future__ import annotations

import random
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from math import inf
from typing import Final, Protocol

from mesh.scaling.observation import Observation
from mesh.scaling.policy import Decision
from mesh.scaling.simulation.instances import Fleet, Instance
from mesh.scaling.simulation.outcome import Change, Outcome, Sample, waits_of
from mesh.scaling.simulation.question import Question
from mesh.scaling.simulation.senses import LOOK_S, Counts, Senses

SAMPLES: Final = 1500
PROGRESS_LOOKS: Final = 400

Request = tuple[float, float]
NEVER: Final[Request] = (inf, 0.0)


class Decider(Protocol):
    """Whatever says how many instances there should be."""

    def decide(self, seen: Observation, now_s: float) -> Decision:
        """Return the count from now on, and why."""


class Replay:
    """One run. Times are seconds since its beginning."""

    def __init__(self, question: Question, decider: Decider) -> None:
        self._question = question
        self._service = question.service
        self._decider = decider
        self._rng = random.Random(f"{question.seed} start")
        self._fleet = Fleet(question.service.slots)
        self._senses = Senses(question.service, self._fleet, question.epoch_s)
        self._queue: deque[tuple[float, float]] = deque()  # when it came, how long it runs
        self._events: list[tuple[float, int, Instance, float, float]] = []
        self._number = 0
        self._wanted = question.begin_with
        self._offered = self._refused = self._answered = self._timed_out = self._late = 0
        self._running = 0
        self._waits = array("d")
        self._changes: list[Change] = []
        self._samples: list[Sample] = []
        self._sampled = 0.0, 0, 0  # when, and what had come and begun by then
        for _ in range(question.begin_with):
            self._fleet.note_ready(self._fleet.launch(0.0), 0.0)

    def __repr__(self) -> str:
        return f"<Replay offered={self._offered} queued={len(self._queue)} {self._fleet!r}>"

    def run(self, on_progress: Callable[[float], None] = lambda _: None) -> Outcome:
        """Go through the demand, then until every request has ended."""
        question, end_s = self._question, self._question.trace.end_s
        requests = question.requests()
        coming = next(requests, NEVER)
        looks, every = round(end_s / LOOK_S), max(1, round(end_s / LOOK_S / SAMPLES))
        for look in range(looks):
            now_s = look * LOOK_S
            coming = self._go_on(requests, coming, now_s)
            self._look(now_s)
            if look % every == 0:
                self._sample(now_s)
            if look % PROGRESS_LOOKS == 0:
                on_progress(now_s)
        self._go_on(requests, coming, end_s)
        worker_s = self._fleet.paid_s(end_s)
        self._finish()
        on_progress(end_s)
        return self._outcome(worker_s)

    def _go_on(self, requests: Iterator[Request], coming: Request, until_s: float) -> Request:
        """Let everything happen that happens before `until_s`; return the next request to come."""
        events = self._events
        while True:
            if events and events[0][0] <= coming[0]:
                if events[0][0] >= until_s:
                    return coming
                self._happen()
            elif coming[0] < until_s:
                self._arrive(coming)
                coming = next(requests, NEVER)
            else:
                return coming

    def _arrive(self, request: Request) -> None:
        self._offered += 1
        if self._senses.would_be_late(len(self._queue) + self._running):
            self._refused += 1
            self._late += 1
            return
        self._queue.append(request)
        self._start_waiting(request[0])

    def _start_waiting(self, now_s: float) -> None:
        """Give free slots to those that wait, the first first; give up who has waited too long."""
        queue, service = self._queue, self._service
        while queue:
            came_s, run_s = queue[0]
            wait_s = now_s - came_s
            if wait_s > service.timeout_s:
                queue.popleft()
                self._timed_out += 1
                self._late += 1
                continue
            instance = self._fleet.take(now_s)
            if instance is None:
                return
            queue.popleft()
            self._running += 1
            self._waits.append(wait_s)
            self._late += wait_s > service.slo_s
            self._plan(now_s + run_s, instance, run_s, wait_s + run_s)

    def _plan(
        self, at_s: float, instance: Instance, run_s: float = -1.0, latency_s: float = 0.0
    ) -> None:
        self._number += 1
        heappush(self._events, (at_s, self._number, instance, run_s, latency_s))

    def _happen(self) -> None:
        """A request ends, or an instance becomes ready."""
        now_s, _, instance, run_s, latency_s = heappop(self._events)
        if run_s < 0:
            if not self._fleet.note_ready(instance, now_s):
                return
        else:
            self._running -= 1
            self._answered += 1
            self._fleet.give_back(instance, run_s, now_s)
            self._senses.note_answer(now_s, latency_s)
        self._start_waiting(now_s)

    def _look(self, now_s: float) -> None:
        counts = Counts(now_s, self._offered, self._refused, self._answered)
        taken = len(self._waits)
        seen = self._senses.look(self._wanted, len(self._queue), taken, counts)
        decision = self._decider.decide(seen, now_s)
        if decision.count == self._wanted:
            return
        self._changes.append(Change(now_s, self._wanted, decision.count, decision.reason))
        self._wanted = decision.count
        for instance in self._fleet.scale(decision.count, now_s):
            self._plan(now_s + self._service.draw_warmup_s(self._rng), instance)

    def _sample(self, now_s: float) -> None:
        since_s, offered, begun = self._sampled
        self._sampled = now_s, self._offered, len(self._waits)
        waits = self._waits[begun:]
        self._samples.append(
            Sample(
                at_s=now_s,
                wanted=self._wanted,
                ready=self._fleet.ready,
                depth=len(self._queue) + self._running,
                offered_per_s=(self._offered - offered) / (now_s - since_s) if now_s else 0.0,
                wait_s=sum(waits) / len(waits) if waits else 0.0,
            )
        )

    def _finish(self) -> None:
        """Nothing comes any more: answer what waits, with the instances that there are."""
        while self._events:
            self._happen()
        self._timed_out += len(self._queue)
        self._late += len(self._queue)
        self._queue.clear()

    def _outcome(self, worker_s: float) -> Outcome:
        question, service = self._question, self._service
        most = max([question.begin_with, *(change.after for change in self._changes)])
        return Outcome(
            trace=question.trace.name,
            seed=question.seed,
            seconds=question.trace.end_s,
            requests=self._offered,
            answered=self._answered,
            refused=self._refused,
            timed_out=self._timed_out,
            late=self._late,
            waits=waits_of(self._waits),
            worker_s=worker_s,
            cost=worker_s / 3600 * service.price,
            most_instances=most,
            changes=self._changes,
            samples=self._samples,
        )
