"""What a queue is asked for, measured over windows. Pure: time is handed in. Ring: decisions."""

from __future__ import annotations

import math
from typing import Final

from mesh.scaling.observation import Observation
from mesh.scaling.windows import Window
from mesh.spec.scale import WaitSettings

BACKLOG_WINDOW_S: Final = 1.0
CHANCE: Final = 3.0  # standard errors: a queue that grows by less may do so by chance
STARTUP_S: Final = 5.0  # until a start was seen
STARTUP_WEIGHT: Final = 0.2  # of the last start
NOTICE_S: Final = 0.5  # from a change of the load to the start of an instance


class QueueLoad:
    """Slots that requests keep busy, or would if there were enough.

    What does not come through gateways is only seen to run; what waits, or is refused, is only seen
    to be offered. So both are measured.
    """

    def __init__(self, settings: WaitSettings) -> None:
        self._running = Window(settings.stable_window_s)
        self._offered = Window(settings.stable_window_s)
        self._service = Window(settings.stable_window_s)
        self._running_now = Window(settings.panic_window_s)
        self._offered_now = Window(settings.panic_window_s)
        self._depth = Window(BACKLOG_WINDOW_S)
        self._offered_per_s = 0.0
        self._startup_s = 0.0
        self._last_startup_s = 0.0
        self._busy = 0
        self.waiting = 0

    def __repr__(self) -> str:
        return f"<QueueLoad waiting={self.waiting} service={self._service!r}>"

    def note(self, seen: Observation, depth: int, now_s: float) -> None:
        """Take what is seen now."""
        running = min(depth, seen.ready * seen.slots)
        self.waiting = depth - running
        self._busy = running
        self._depth.add(now_s, depth)
        for window, figure in (
            (self._running, running),
            (self._running_now, running),
            (self._offered, seen.offered_per_s),
            (self._offered_now, seen.offered_per_s),
            (self._service, seen.service_s),
        ):
            window.add(now_s, figure)
        self._offered_per_s = seen.offered_per_s or 0.0
        self._note_startup(seen.startup_s)

    @property
    def is_known(self) -> bool:
        """Whether anybody has told how long a request takes."""
        return bool(self._service.mean)

    @property
    def service_s(self) -> float:
        """How long a request takes."""
        return self._service.mean or 0.0

    @property
    def until_ready_s(self) -> float:
        """How long it takes until an instance that is needed now takes requests."""
        return NOTICE_S + (self._startup_s or STARTUP_S)

    @property
    def usual(self) -> float:
        """The load of the stable window."""
        return max(self._running.mean or 0.0, (self._offered.mean or 0.0) * self.service_s)

    @property
    def sudden(self) -> float:
        """The load of the panic window."""
        offered = self._offered_now.mean
        return self._running_now.mean or 0.0 if offered is None else offered * self.service_s

    @property
    def rising(self) -> float:
        """The load by how fast the queue grows, if it grows by more than chance lets it."""
        known = max(self.usual, self.sudden, self._offered_per_s * self.service_s)
        chance_per_s = CHANCE * math.sqrt(known / self.service_s / BACKLOG_WINDOW_S)
        growth_per_s = self._depth.growth_per_s
        if growth_per_s <= chance_per_s:
            return known
        return max(known, self._busy + growth_per_s * self.service_s)

    def _note_startup(self, last_s: float) -> None:
        if last_s == self._last_startup_s:
            return
        self._last_startup_s = last_s
        weight = STARTUP_WEIGHT if self._startup_s else 1.0
        self._startup_s += weight * (last_s - self._startup_s)
