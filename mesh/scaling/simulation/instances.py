"""Instances that start, take requests, drain and end. Ring: decisions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

SMOOTHING = 0.05  # as a worker's own mean of its times


class Instance:
    """One instance.

    `beat_*` is what its last heartbeat said; `busy_s` is the time of its requests until `until_s`.
    """

    __slots__ = (
        "answered",
        "beat_busy_s",
        "beat_cpu_percent",
        "beat_in_flight",
        "beat_service_s",
        "busy_s",
        "in_flight",
        "is_draining",
        "launched_s",
        "number",
        "ready_s",
        "service_s",
        "until_s",
    )

    def __init__(self, number: int, launched_s: float) -> None:
        self.number = number
        self.launched_s = launched_s
        self.ready_s: float | None = None
        self.is_draining = False
        self.in_flight = 0
        self.answered = 0
        self.service_s = 0.0
        self.busy_s = 0.0
        self.until_s = launched_s
        self.beat_busy_s = 0.0
        self.beat_in_flight = 0
        self.beat_service_s = 0.0
        self.beat_cpu_percent = 0.0

    def __repr__(self) -> str:
        return f"<Instance {self.number} in_flight={self.in_flight} answered={self.answered}>"

    def count(self, now_s: float, more: int) -> None:
        """Take a request, or be done with one."""
        self.busy_s += self.in_flight * (now_s - self.until_s)
        self.until_s = now_s
        self.in_flight += more

    def note_answer(self, run_s: float) -> None:
        """Count an answer."""
        self.answered += 1
        weight = SMOOTHING if self.answered > 1 else 1.0
        self.service_s += weight * (run_s - self.service_s)

    def beat(self, now_s: float, since_s: float, cores: float) -> None:
        """Tell how it is; the CPU is that of the `since_s` seconds since the last time."""
        self.count(now_s, 0)
        busy_s = self.busy_s - self.beat_busy_s
        self.beat_cpu_percent = 100 * cores * busy_s / since_s
        self.beat_busy_s = self.busy_s
        self.beat_in_flight = self.in_flight
        self.beat_service_s = self.service_s


class Fleet:
    """All instances there are, and what those that have ended were paid for."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._alive: dict[int, Instance] = {}
        self._free: deque[Instance] = deque()  # once for each slot, the longest free one first
        self._launched = 0
        self._paid_s = 0.0
        self.ready = 0
        self.startup_s = 0.0

    def __repr__(self) -> str:
        return f"<Fleet alive={len(self._alive)} ready={self.ready}>"

    def __iter__(self) -> Iterator[Instance]:
        return iter(self._alive.values())

    def launch(self, now_s: float) -> Instance:
        """Begin to start one."""
        self._launched += 1
        instance = Instance(self._launched, now_s)
        self._alive[instance.number] = instance
        return instance

    def note_ready(self, instance: Instance, now_s: float) -> bool:
        """It can take requests; False if it has been ended while it started."""
        if instance.number not in self._alive:
            return False
        instance.ready_s = instance.until_s = now_s
        self.startup_s = now_s - instance.launched_s
        self.ready += 1
        self._free.extend([instance] * self._slots)
        return True

    def scale(self, count: int, now_s: float) -> list[Instance]:
        """Drain what is more than `count`, the least busy first; return what has to start."""
        staying = [instance for instance in self if not instance.is_draining]
        for instance in sorted(staying, key=_worth)[: max(0, len(staying) - count)]:
            self._drain(instance, now_s)
        return [self.launch(now_s) for _ in range(len(staying), count)]

    def take(self, now_s: float) -> Instance | None:
        """Give a slot to a request; None if none is free."""
        while self._free:
            instance = self._free.popleft()
            if not instance.is_draining:
                instance.count(now_s, 1)
                return instance
        return None

    def give_back(self, instance: Instance, run_s: float, now_s: float) -> None:
        """A request has been answered."""
        instance.count(now_s, -1)
        instance.note_answer(run_s)
        if not instance.is_draining:
            self._free.append(instance)
        elif not instance.in_flight:
            self._end(instance, now_s)

    def paid_s(self, now_s: float) -> float:
        """The time of all instances from launch to end, or until now."""
        return self._paid_s + sum(now_s - instance.launched_s for instance in self)

    def _drain(self, instance: Instance, now_s: float) -> None:
        instance.is_draining = True
        self.ready -= instance.ready_s is not None
        if not instance.in_flight:
            self._end(instance, now_s)

    def _end(self, instance: Instance, now_s: float) -> None:
        del self._alive[instance.number]
        self._paid_s += now_s - instance.launched_s


def _worth(instance: Instance) -> tuple[bool, int, int]:
    """What costs least to lose comes first, as it looks to who has heard heartbeats only."""
    return instance.ready_s is not None, instance.beat_in_flight, instance.number
