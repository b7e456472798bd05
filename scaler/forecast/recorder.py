"""Keeping what deployments are asked for: a point for each and every five minutes, for weeks.

Every deployment has one, whether it is forecast or not: who turns that on later has the weeks then.
Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Final

from mesh import loads, subjects
from mesh.bus import Bus
from mesh.errors import BusError
from mesh.loads import LoadPoint
from mesh.streams import store
from scaler.fleet import combined
from scaler.forecast.demand import Slot
from scaler.observe import Observer
from scaler.registry import Registry

log = logging.getLogger("scaler.forecast")

TICK_S: Final = 1.0
MOST_UNSTORED: Final = 10_000


class Recorder:
    """Stores what each slot brought."""

    def __init__(self, bus: Bus, registry: Registry, observer: Observer) -> None:
        self._bus = bus
        self._registry = registry
        self._observer = observer
        self._clock = asyncio.get_running_loop().time
        self._unstored: deque[tuple[str, LoadPoint]] = deque(maxlen=MOST_UNSTORED)

    def __repr__(self) -> str:
        return f"<Recorder unstored={len(self._unstored)}>"

    async def run(self) -> None:
        """Store for ever."""
        while True:
            await self._store(self._observer.demand.full(time.time()))
            await asyncio.sleep(TICK_S)

    async def close(self) -> None:
        """Store what the present slot has brought so far; the next scaler stores the rest."""
        await self._store(self._observer.demand.rest())

    async def _store(self, slots: list[Slot]) -> None:
        for slot in slots:
            self._unstored.extend(self._points(slot))
        try:
            while self._unstored:
                subject, point = self._unstored[0]
                await store(self._bus, subject, loads.encode(point))
                self._unstored.popleft()
        except BusError as exc:
            log.info("forecast.unstored points=%d %s", len(self._unstored), exc)

    def _points(self, slot: Slot) -> list[tuple[str, LoadPoint]]:
        points = []
        for stored in self._registry.deployments():
            endpoint, name = stored.record.spec.endpoint_name, stored.record.spec.name
            service = combined(self._observer.fleet.ready(endpoint, name, self._clock()))
            point = LoadPoint(
                start_s=slot.start_s,
                heard_s=round(slot.heard_s, 1),
                requests=slot.requests.get(f"{endpoint}/{name}", 0),
                service_s=service.mean_s if service.answered else None,
            )
            points.append((subjects.load(endpoint, name), point))
        return points
