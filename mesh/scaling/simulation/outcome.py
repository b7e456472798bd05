"""What became of a simulated demand. Ring: values."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import msgspec


class Change(msgspec.Struct, frozen=True):
    """The count was changed, and why."""

    at_s: float
    before: int
    after: int
    reason: str


class Sample(msgspec.Struct, frozen=True):
    """The deployment at one moment: instances wanted and ready, requests queued or running.

    `offered_per_s` came and `wait_s` was waited, on average, since the moment before.
    """

    at_s: float
    wanted: int
    ready: int
    depth: int
    offered_per_s: float
    wait_s: float


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """How long requests waited for their turn, in seconds."""

    mean_s: float = 0.0
    p50_s: float = 0.0
    p95_s: float = 0.0
    p99_s: float = 0.0
    most_s: float = 0.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the requests, and what it cost.

    `late`: requests that waited longer than promised, were refused or given up. `worker_s`: time of
    all instances from launch to end.
    """

    trace: str
    seed: int
    seconds: float
    requests: int
    answered: int
    refused: int
    timed_out: int
    late: int
    waits: Waits
    worker_s: float
    cost: float
    most_instances: int
    changes: list[Change]
    samples: list[Sample]

    @property
    def late_share(self) -> float:
        """The share of requests that did not get what was promised."""
        return self.late / self.requests if self.requests else 0.0

    @property
    def mean_instances(self) -> float:
        """How many instances were paid for, on average."""
        return self.worker_s / self.seconds if self.seconds else 0.0


def waits_of(waits: array[float] | Sequence[float]) -> Waits:
    """Sum up how long requests waited."""
    if not waits:
        return Waits()
    ordered = sorted(waits)
    last = len(ordered) - 1
    return Waits(
        mean_s=sum(ordered) / len(ordered),
        p50_s=ordered[round(last * 0.50)],
        p95_s=ordered[round(last * 0.95)],
        p99_s=ordered[round(last * 0.99)],
        most_s=ordered[-1],
    )
