"""The queue policy: as few instances as let hardly a request wait longer than a target.

What it goes by is the offered load: the number of slots that requests keep busy. It is measured
over a stable and a panic window, and the larger one counts. To it comes

- what chance needs: by Erlang's formula hardly a request waits longer than the target;
- what a burst needs: so much more load is borne, within the target, until new instances are ready;
- what a backlog needs: what will wait once new instances are ready is gone soon after.

In a panic, which is a backlog or a load far above that of the stable window, nothing is taken
away; what it needed on top goes once it would be ready and the panic is over, at most half of the
instances at once.
Ring: decisions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from mesh.scaling.erlang import servers_for
from mesh.scaling.observation import Observation
from mesh.scaling.policy import Asked
from mesh.scaling.queue_load import QueueLoad
from mesh.scaling.targets import is_asked_for
from mesh.spec.scale import WaitSettings

BACKLOG_SHARE: Final = 0.5  # of the target: what takes longer is a backlog
DRAIN_SHARE: Final = 0.2  # of a start: in this time a backlog is to be gone
STARTS_HELD: Final = 1.5  # what was needed may be needed again before it could be started again
MOST_AT_ONCE: Final = 2  # down, and up before a service time is known: by this factor
STEP_S: Final = 2.0


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
        """Ask for what the load needs, and for what a panic needs on top."""
        if seen.depth is None:
            return
        self._load.note(seen, seen.depth, now_s)
        if not is_asked_for(seen):
            self._panic_most = 0
        elif self._load.is_known:
            yield from self._asked(seen)
        else:
            most = max(1, MOST_AT_ONCE * seen.ready)
            count = min(most, math.ceil(seen.depth / seen.slots))
            yield Asked("wait", count, "how long a request takes is not known,", self._start_s)

    def _asked(self, seen: Observation) -> Iterator[Asked]:
        load, why = self._load, self._why()
        standing = math.ceil(self._standing(load.usual, load.sudden) / seen.slots)
        yield Asked("wait", standing, why, self._held_s())
        step = math.ceil(seen.working / MOST_AT_ONCE)
        backlog = self._backlog(seen)
        if backlog or load.sudden * 100 > load.usual * self._settings.panic_percentage:
            self._panic_most = max(standing, backlog, self._panic_most)
            yield Asked("panic", max(self._panic_most, step), why, self._start_s)
        else:
            self._panic_most = 0
            yield Asked("panic", max(standing, step), why, STEP_S)

    def _backlog(self, seen: Observation) -> int:
        """The instances for a backlog; 0 if there is none."""
        load, ready = self._load, seen.ready * seen.slots
        if load.waiting * load.service_s <= BACKLOG_SHARE * self._wait_s * ready:
            return 0
        coming = max(0, seen.current - seen.ready) * seen.slots / 2
        return math.ceil(self._draining(ready + coming) / seen.slots)

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

    @property
    def _start_s(self) -> float:
        """For so long what is started stays at least: it is of no use before it is ready."""
        return max(self._settings.panic_window_s, self._load.until_ready_s)

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
