"""Policies without a memory: each holds one figure at its target.

None asks for anything while there is no demand. Ring: decisions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from mesh.scaling.observation import Observation
from mesh.scaling.policy import Asked

Figure = Callable[[Observation], float | None]


def is_asked_for(seen: Observation) -> bool:
    """Tell whether there are requests: queued, running, taken since the last look or refused."""
    return bool(seen.depth or seen.active or seen.refused_per_s)


def load_text(seen: Observation) -> str:
    """The load, as the beginning of a reason."""
    return f"{_requests(seen.depth or 0)} queued or running,"


class Shadows:
    """One instance for copies from another deployment, however many there are."""

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s

    def ask(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """Ask for one while there are any."""
        del now_s
        if seen.shadows:
            why = f"{_requests(seen.shadows)} copied from another deployment,"
            yield Asked("shadows", 1, why, self._hold_s)


class Demand:
    """One instance as soon as anybody asks."""

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s

    def ask(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """Ask for one while there are requests, those included that gateways refuse."""
        del now_s
        if is_asked_for(seen):
            yield Asked(
                "demand", 1, load_text(seen) if seen.depth else "requests come,", self._hold_s
            )


class Utilization:
    """Requests queued or running, in percent of what the instances run at once.

    That is azureml-fe's formula, (busy + queued) / replicas, for instances of several slots. It is
    looked at once in each interval.
    """

    def __init__(self, percent: int, interval_s: float, hold_s: float) -> None:
        self._percent = percent
        self._interval_s = interval_s
        self._hold_s = hold_s
        self._asked: Asked | None = None
        self._next_s = -math.inf

    def ask(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """Ask for what brings the load of the last look to the target."""
        if now_s >= self._next_s:
            self._next_s = now_s + self._interval_s
            self._asked = self._look(seen) if is_asked_for(seen) else None
        if self._asked is not None:
            yield self._asked

    def _look(self, seen: Observation) -> Asked:
        count = math.ceil((seen.depth or 0) * 100 / (seen.slots * self._percent))
        why = f"{load_text(seen)} {seen.slots} at once to {self._percent}%,"
        return Asked("utilization", count, why, self._hold_s)


class Messages:
    """Requests queued or running, per instance."""

    def __init__(self, each: int, hold_s: float) -> None:
        self._each = each
        self._hold_s = hold_s

    def ask(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """Ask for as many as it takes for nobody to have more."""
        del now_s
        if is_asked_for(seen):
            count = math.ceil((seen.depth or 0) / self._each)
            why = f"{load_text(seen)} {self._each} per instance,"
            yield Asked("messages", count, why, self._hold_s)


class Refusals:
    """What it takes to serve what gateways refuse too: no queue shows that."""

    def __init__(self, percent: int, hold_s: float) -> None:
        self._percent = percent
        self._hold_s = hold_s

    def ask(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """Ask for what all that is offered needs, while some of it is refused."""
        del now_s
        offered_per_s, service_s = seen.offered_per_s, seen.service_s
        if not seen.refused_per_s or offered_per_s is None or service_s is None:
            return
        why = (
            f"{offered_per_s:.0f} requests/s offered, {seen.refused_per_s:.0f} of them refused, "
            f"{service_s * 1000:.0f} ms each,"
        )
        count = math.ceil(offered_per_s * service_s * 100 / (seen.slots * self._percent))
        yield Asked("offered", count, why, self._hold_s)


class Resource:
    """What instances use of something, in percent: `figure` reads the mean of the ready ones."""

    def __init__(self, noun: str, figure: Figure, percent: int, hold_s: float) -> None:
        self._noun = noun
        self._target = noun.lower().replace(" ", "_")
        self._figure = figure
        self._percent = percent
        self._hold_s = hold_s

    def ask(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """Ask for as many as use the target; for as many as now while some do not tell."""
        del now_s
        if not is_asked_for(seen):
            return
        percent = self._figure(seen)
        if percent is None:
            why = f"no instance tells its {self._noun},"
            yield Asked(self._target, seen.current, why, self._hold_s)
            return
        count = math.ceil(seen.working * percent / self._percent)
        if seen.ready < seen.current:
            count = max(count, seen.current)
        use = f"{percent:.0f}% {self._noun} on each of {seen.working},"
        why = f"{use} {self._percent}% is the target,"
        yield Asked(self._target, count, why, self._hold_s)


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"
