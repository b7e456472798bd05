"""What a scaler would know of the simulated deployment, as late as it would know it.

The queue is seen at each look, four times a second; instances and gateways tell the rest once a
second, and an instance at once when it becomes ready or drains. Ring: decisions.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from mesh.scaling.observation import Observation
from mesh.scaling.simulation.instances import Fleet, Instance
from mesh.scaling.simulation.service import Service

LOOK_S: Final = 0.25
LOOKS_PER_BEAT: Final = 4
BEAT_S: Final = LOOK_S * LOOKS_PER_BEAT
SPAN_S: Final = 3.0
WARM_S: Final = 3.0  # an instance's first figures are of its start
RUN_MARGIN: Final = 1.25  # with the headroom: how a gateway refuses what it could not answer
HEADROOM: Final = 0.9
PERCENTILES: Final = (50, 90, 95, 99)


class Counts(NamedTuple):
    """What gateways have counted since the beginning."""

    at_s: float = 0.0
    offered: int = 0
    refused: int = 0
    answered: int = 0


class Senses:
    """Remembers what was told. `at_s` of observations is Unix time: `epoch_s` and what passed."""

    def __init__(self, service: Service, fleet: Fleet, epoch_s: float) -> None:
        self._service = service
        self._fleet = fleet
        self._epoch_s = epoch_s
        self._looks = 0
        self._taken: int | None = None
        self._told: deque[Counts] = deque()
        self._latencies: deque[tuple[float, float]] = deque()
        self._percentiles: dict[int, float] = {}
        self._latency_s: float | None = None
        self._service_s: float | None = None
        self._run_s = 0.0

    def __repr__(self) -> str:
        return f"<Senses looks={self._looks} told={len(self._told)}>"

    def note_answer(self, now_s: float, latency_s: float) -> None:
        """A client has its answer."""
        self._latencies.append((now_s, latency_s))

    def wait_s(self, ahead: int) -> float | None:
        """What a gateway thinks a request would wait with so many in the queue or running."""
        fleet = self._fleet
        if not fleet.ready:
            return fleet.startup_s or None
        if not self._run_s:
            return None
        slots = fleet.ready * self._service.slots
        return max(0.0, ahead - slots + 1) * self._run_s / slots

    def would_be_late(self, ahead: int) -> bool:
        """Whether a gateway refuses a request, as it could not be answered in time."""
        wait_s = self.wait_s(ahead)
        if not wait_s:
            return False
        return wait_s + RUN_MARGIN * self._run_s > HEADROOM * self._service.timeout_s

    def look(self, current: int, queued: int, taken: int, counts: Counts) -> Observation:
        """Return what is known now.

        Args:
            current: the count that was decided last.
            queued: requests that wait.
            taken: how many were ever begun.
            counts: what gateways have counted by now; told on once a second.
        """
        now_s, ready = counts.at_s, self._hear(counts.at_s)
        if self._looks % LOOKS_PER_BEAT == 0:
            self._hear_gateway(counts)
        self._looks += 1
        active = self._taken is not None and taken != self._taken
        self._taken = taken
        running = sum(instance.in_flight for instance in self._fleet)
        seconds, offered, refused, answered = self._grown()
        return Observation(
            current=current,
            depth=queued + running,
            active=active,
            ready=len(ready),
            slots=self._service.slots,
            service_s=self._service_s,
            cpu_percent=_cpu_percent(ready, now_s),
            offered_per_s=offered / seconds if seconds else None,
            refused_per_s=refused / seconds if seconds else None,
            at_s=self._epoch_s + now_s,
            in_flight=sum(instance.beat_in_flight for instance in ready),
            wait_s=self.wait_s(queued + running),
            requests_per_s=answered / seconds if seconds else None,
            latency_s=self._percentiles,
            latency_mean_s=self._latency_s,
            startup_s=self._fleet.startup_s,
        )

    def _hear(self, now_s: float) -> list[Instance]:
        """Take the heartbeats that come now; return the instances that are ready."""
        ready: list[Instance] = []
        for instance in self._fleet:
            if (self._looks + instance.number) % LOOKS_PER_BEAT == 0:
                instance.beat(now_s, BEAT_S, self._service.cores)
            if instance.ready_s is not None and not instance.is_draining:
                ready.append(instance)
        answered = sum(one.answered for one in ready if one.beat_service_s)
        if answered:
            times = (one.beat_service_s * one.answered for one in ready if one.beat_service_s)
            self._service_s = self._run_s = sum(times) / answered
        return ready

    def _hear_gateway(self, counts: Counts) -> None:
        told = self._told
        told.append(counts)
        while told[-1].at_s - told[0].at_s > SPAN_S and len(told) > 2:
            told.popleft()
        while self._latencies and self._latencies[0][0] < counts.at_s - SPAN_S:
            self._latencies.popleft()
        ordered = sorted(latency_s for _, latency_s in self._latencies)
        last = len(ordered) - 1
        self._latency_s = sum(ordered) / len(ordered) if ordered else None
        self._percentiles = {
            percent: ordered[round(last * percent / 100)] for percent in PERCENTILES if ordered
        }

    def _grown(self) -> tuple[float, int, int, int]:
        first, last = self._told[0], self._told[-1]
        return (
            last.at_s - first.at_s,
            last.offered - first.offered,
            last.refused - first.refused,
            last.answered - first.answered,
        )


def _cpu_percent(ready: list[Instance], now_s: float) -> float | None:
    figures = [
        instance.beat_cpu_percent
        for instance in ready
        if instance.ready_s is not None and now_s - instance.ready_s > WARM_S
    ]
    return sum(figures) / len(figures) if figures else None
