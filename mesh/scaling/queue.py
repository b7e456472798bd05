"""The queue policy: as few instances as let hardly a request wait longer than a target.

What it goes by is the offered load: the number of slots that requests keep busy. It is measured
over a stable and a panic window, and the larger one counts. To it comes

- what chance needs: by Erlang's formula hardly a request waits longer than the target;
- what a burst needs: so much more load is borne, within the target, until new instances are ready;
- what a backlog needs: what will wait once new instances are ready is gone soon after.

In a panic, which is a backlog or a load far above that of the stable window, nothing is taken
away; later at most half of the instances at once. Ring: decisions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from mesh.scaling.erlang import servers_for
from mesh.scaling.observation import Observation
from mesh.scaling.policy import Asked
from mesh.scaling.queue_load import QueueLoad
from mesh.scaling.targets import is_asked_for
from mesh.spec.scale import WaitSettings

BACKLOG_SHARE: Final = 0.5  # of the target: what takes longer is a backlog
DRAIN_SHARE: Final = 0.2  # of a start: in this time a backlog is to be gone
STARTS_HELD: Final = 1.5  # what was needed may be needed again before it could be started again


class _Need(NamedTuple):
    """Slots that are needed, and whether that is a panic."""

    slots: float
    is_panic: bool


class QueueWait:
    """Holds the wait at its target."""

    def __init__(self, wait_ms: int, settings: WaitSettings, hold_s: float | None) -> None:
        self._wait_s = wait_ms / 1000
        self._settings = settings
        self._hold_s = hold_s
        self._load = QueueLoad(settings)
        self._panic_most = 0

    def __repr__(self) -> str:
        return f"<QueueWait wait_s={self._wait_s} panic_most={self._panic_most}>"

    def ask(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """Ask for what the load needs; nothing before a service time is known."""
        if seen.depth is None:
            return
        self._load.note(seen, seen.depth, now_s)
        if not self._load.is_known or not is_asked_for(seen):
            self._panic_most = 0
            return
        need = self._need(seen)
        count = math.ceil(need.slots / seen.slots)
        self._panic_most = max(count, self._panic_most) if need.is_panic else 0
        count = max(count, self._panic_most, math.ceil(seen.working / 2))
        yield Asked("wait", count, self._why(), self._held_s())

    def _need(self, seen: Observation) -> _Need:
        load, settings = self._load, self._settings
        slots = self._standing(load.usual, load.sudden)
        is_panic = load.sudden * 100 > load.usual * settings.panic_percentage
        ready = seen.ready * seen.slots
        if load.waiting * load.service_s > BACKLOG_SHARE * self._wait_s * ready:
            coming = max(0, seen.current - seen.ready) * seen.slots / 2
            return _Need(max(slots, self._draining(ready + coming)), is_panic=True)
        return _Need(slots, is_panic)

    def _standing(self, usual: float, sudden: float) -> float:
        """The slots for a load that stays, or grows by a burst while instances start."""
        load = max(usual, sudden)
        late = self._settings.late_percentage / 100
        chance = servers_for(load, self._wait_s / self._load.service_s, late)
        burst = load * (1 + self._settings.burst_percentage / 100)
        return max(chance, burst / (1 + self._wait_s / self._load.until_ready_s))

    def _draining(self, slots: float) -> float:
        """The slots for what will wait when an instance that is started now is ready."""
        load, until_s = self._load.rising, self._load.until_ready_s
        backlog_s = self._load.waiting * self._load.service_s + (load - slots) * until_s
        return load + max(0.0, backlog_s) / max(self._wait_s, DRAIN_SHARE * until_s)

    def _held_s(self) -> float:
        if self._hold_s is not None:
            return self._hold_s
        return max(self._settings.panic_window_s, STARTS_HELD * self._load.until_ready_s)

    def _why(self) -> str:
        load = self._load
        rate = f"{_figure(max(load.usual, load.sudden) / load.service_s)} requests/s"
        queue = f"{load.waiting} waiting, " if load.waiting else ""
        each = f"{_figure(load.service_s * 1000)} ms each"
        return f"{queue}{rate}, {each}, to wait at most {self._wait_s * 1000:.0f} ms,"


def _figure(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"
