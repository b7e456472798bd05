"""What a worker counts: outcomes, times in the queue and in the model.

Plain numbers on the hot path, turned into Prometheus metrics only when somebody scrapes: the
client library's own counters take a lock each and cost several times as much per request.
Ring: values.
"""

from __future__ import annotations

from typing import Final

from mesh.figures import ServiceTime
from mesh.tally import Histogram
from workers.work import Work

SMOOTHING: Final = 0.05
PEAK_DECAY: Final = 0.99
FAILURE: Final = 500  # and above: what a model refuses on purpose is no failure
OUTCOMES: Final = ("ok", "model_error", "expired", "cancelled", "handed_back", "dead")


class WorkerTally:
    """Counts since the start of the worker."""

    def __init__(self) -> None:
        # From zero on: a counter that begins with its first event hides that event from rate().
        self.outcomes: dict[str, int] = dict.fromkeys(OUTCOMES, 0)
        self.redelivered = 0
        self.queued = Histogram()
        self.run = Histogram()
        self.service_s = 0.0
        self.mean_run_s = 0.0
        self._peak_run_s = 0.0
        self.answered = 0
        self.failed = 0

    def observe(self, work: Work, status: int, run_s: float, now_s: float) -> None:
        """Count a request that ran: waited in the queue, took a slot, ran for `run_s` of it."""
        outcome = "ok" if 200 <= status < 300 else "model_error"
        if status >= FAILURE:
            self.failed += 1
        self.outcomes[outcome] += 1
        self.queued.observe(work.started_s - work.stamped_s)
        self.answered += 1
        weight = SMOOTHING if self.run.total else 1.0
        self.run.observe(run_s)
        self.service_s += weight * (_slot_s(work, now_s) - self.service_s)
        self.mean_run_s += weight * (run_s - self.mean_run_s)
        self._peak_run_s = max(run_s, self._peak_run_s * PEAK_DECAY)

    def fail(self) -> None:
        """Count a failure of the model that is no answer: a crash, a run that took too long."""
        self.answered += 1
        self.failed += 1

    def count(self, outcome: str) -> None:
        """Count a request that ended without running: expired, cancelled, handed back, dead."""
        self.outcomes[outcome] += 1

    @property
    def service(self) -> ServiceTime:
        """The service time as heartbeats tell it: seconds a request runs."""
        return ServiceTime(
            mean_s=self.mean_run_s,
            peak_s=self._peak_run_s,
            answered=self.answered,
            slot_s=self.service_s,
        )


def _slot_s(work: Work, now_s: float) -> float:
    """Return how long a request kept a slot from the next one.

    A slot that was free while the request waited at the broker was waiting for it too: that is the
    way here, unless a runner was away, so no more of it counts than the request then took.
    """
    taken_s = now_s - work.started_s
    if work.is_redelivered:
        return taken_s
    idle_s = work.started_s - max(work.freed_s, work.stamped_s)
    return taken_s + min(max(0.0, idle_s), taken_s)
