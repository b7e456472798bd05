"""How well instances have answered lately, by what their heartbeats count. Ring: decisions.

An instance counts from its start, so what a scaler hears first of one is only where it stands.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from mesh.wire import WorkerHeartbeat

WINDOW_S: Final = 30.0

Counts = tuple[int, int]  # answers, and failures among them


class _Look(NamedTuple):
    at_s: float
    counts: Counts


class _Past(NamedTuple):
    generation: int
    looks: deque[_Look]

    def grown(self) -> Counts:
        """What has been counted within the window."""
        first, last = self.looks[0].counts, self.looks[-1].counts
        return last[0] - first[0], last[1] - first[1]


class Health:
    """Hears workers, and tells of the last half minute."""

    def __init__(self) -> None:
        self._pasts: dict[tuple[str, str], dict[str, _Past]] = {}

    def __repr__(self) -> str:
        return f"<Health deployments={len(self._pasts)}>"

    def hear(self, said: WorkerHeartbeat, now_s: float) -> None:
        """Note what an instance has counted."""
        instances = self._pasts.setdefault((said.endpoint, said.deployment), {})
        past = instances.setdefault(said.instance, _Past(said.generation, deque()))
        counts = (said.service.answered, said.failed)
        if past.looks and now_s - past.looks[-1].at_s < 0.5 and len(past.looks) > 1:
            past.looks.pop()  # a change of state was told: two in half a second are one
        past.looks.append(_Look(now_s, counts))
        _trim(past.looks, now_s)

    def lately(self, endpoint: str, deployment: str, now_s: float) -> dict[str, Counts]:
        """Return what has been answered in the last half minute, by generation."""
        told: dict[str, Counts] = {}
        for past in self._pasts.get((endpoint, deployment), {}).values():
            _trim(past.looks, now_s)
            answers, failures = past.grown()
            if answers > 0:
                before = told.get(str(past.generation), (0, 0))
                told[str(past.generation)] = (before[0] + answers, before[1] + failures)
        return told

    def totals(self, endpoint: str, deployment: str) -> dict[str, dict[str, Counts]]:
        """Return what each instance has answered since its start, by generation."""
        told: dict[str, dict[str, Counts]] = {}
        for name, past in self._pasts.get((endpoint, deployment), {}).items():
            if past.looks[-1].counts[0]:
                told.setdefault(str(past.generation), {})[name] = past.looks[-1].counts
        return told

    def expire(self, now_s: float) -> None:
        """Drop who has been silent for as long as the window."""
        for address, instances in list(self._pasts.items()):
            for name, past in list(instances.items()):
                if now_s - past.looks[-1].at_s > WINDOW_S:
                    del instances[name]
            if not instances:
                del self._pasts[address]


def _trim(looks: deque[_Look], now_s: float) -> None:
    """Let the window begin with the last look that is older than it, if there is one."""
    while len(looks) > 1 and now_s - looks[1].at_s > WINDOW_S:
        looks.popleft()
