"""Knative's pod autoscaler, by its published description and defaults.

Source: knative.dev/docs/serving/autoscaling (concurrency, kpa-specific, rate limits), and
knative/serving, docs/scaling/SYSTEM.md. What it counts is the mean number of requests in the queue
or running, over 60 s and, when that is twice what the ready instances are meant for, over 6 s.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from mesh.scaling.observation import Observation
from mesh.scaling.policy import Decision

TICK_S: Final = 2.0
STABLE_WINDOW_S: Final = 60.0
PANIC_WINDOW_S: Final = 6.0  # panic-window-percentage: 10
PANIC_THRESHOLD: Final = 2.0  # panic-threshold-percentage: 200
UTILIZATION: Final = 0.7  # container-concurrency-target-percentage: 70
MAX_SCALE_UP: Final = 1000.0
MAX_SCALE_DOWN: Final = 2.0


class _Mean:
    """The mean of what was seen during the last seconds."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._seen: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def add(self, now_s: float, figure: float) -> None:
        self._seen.append((now_s, figure))
        self._sum += figure
        while now_s - self._seen[0][0] >= self._span_s:
            self._sum -= self._seen.popleft()[1]

    @property
    def mean(self) -> float:
        return self._sum / len(self._seen)


class Kpa:
    """Decides as the autoscaler does: every two seconds; between them the count stays."""

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._stable = _Mean(STABLE_WINDOW_S)
        self._panic = _Mean(PANIC_WINDOW_S)
        self._next_s = 0.0
        self._panics_since_s: float | None = None
        self._panic_most = 0

    def __repr__(self) -> str:
        return f"<Kpa panics={self._panics_since_s is not None}>"

    def decide(self, seen: Observation, now_s: float) -> Decision:
        """Return how many instances there should be from now on."""
        concurrency = float(seen.depth or 0)
        self._stable.add(now_s, concurrency)
        self._panic.add(now_s, concurrency)
        if now_s < self._next_s:
            return Decision(count=seen.current, reason="between two ticks")
        self._next_s = now_s + TICK_S
        ready = max(1, seen.ready)
        each = UTILIZATION * seen.slots
        stable, panic = (self._wish(one.mean / each, ready) for one in (self._stable, self._panic))
        self._note_panic(math.ceil(self._panic.mean / each) / ready >= PANIC_THRESHOLD, now_s)
        mode = "stable"
        wish = stable
        if self._panics_since_s is not None:
            mode = "panic"
            wish = self._panic_most = max(stable, panic, self._panic_most)
        count = max(self._least, min(self._most, wish))
        return Decision(count=count, reason=f"{mode}: {concurrency:.0f} requests, need {wish}")

    def _note_panic(self, is_over: bool, now_s: float) -> None:
        if is_over:
            self._panics_since_s = now_s
        elif self._panics_since_s is not None and now_s - self._panics_since_s > STABLE_WINDOW_S:
            self._panics_since_s = None
            self._panic_most = 0

    @staticmethod
    def _wish(exact: float, ready: int) -> int:
        most, least = math.ceil(MAX_SCALE_UP * ready), math.floor(ready / MAX_SCALE_DOWN)
        return min(max(math.ceil(exact), least), most)
