"""Telling the scaler at once of requests that wait for no instance, or are refused.

It would see them at its next measurement of the queue too; this is faster. Ring: adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.routes import Target
from mesh import subjects
from mesh.bus import Outlet
from mesh.errors import BusError, CapacityError, MeshError, NoWorkerError

QUIET_S: Final = 0.25  # between two words on one deployment: as often as the scaler looks anyway


class Demands:
    """Tells of demand, rarely; `beat` says what has been counted, refusals among it."""

    def __init__(self, outlet: Outlet, beat: Callable[[], None]) -> None:
        self._outlet = outlet
        self._beat = beat
        self._told_s: dict[str, float] = {}
        self._now = asyncio.get_running_loop().time
        self.told = {"queued": 0, "refused": 0}

    def __repr__(self) -> str:
        return f"<Demands {self.told}>"

    def note_queued(self, target: Target) -> None:
        """A request is in the queue of a deployment; tell it if no instance is ready for it."""
        if target.is_asleep and self._is_due(target):
            self._tell(target, "queued")

    def note_refused(self, target: Target, error: MeshError) -> None:
        """A request was refused; tell it if more instances could have taken it."""
        has_no_room = isinstance(error, CapacityError) and not isinstance(error, NoWorkerError)
        if has_no_room and self._is_due(target):
            self._beat()  # first: the rate of refusals is what is decided by
            self._tell(target, "refused")

    def _is_due(self, target: Target) -> bool:
        now_s = self._now()
        if now_s - self._told_s.get(target.stream, -QUIET_S) < QUIET_S:
            return False
        self._told_s[target.stream] = now_s
        return True

    def _tell(self, target: Target, why: str) -> None:
        try:
            self._outlet.post(subjects.demand(target.endpoint, target.deployment), b"")
        except BusError:
            return  # the broker is away, the request is lost to it too
        self.told[why] += 1
