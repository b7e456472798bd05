"""How deep each queue is: asked of the broker four times a second, and told to the gateways.

Depth counts what waits and what is being worked on, by lane. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from mesh import subjects, wire
from mesh.bus import Bus
from mesh.errors import BusError
from mesh.reason import headline
from mesh.records import DeploymentState
from mesh.wire import Depth
from scaler.fleet import combined
from scaler.observe import Observer
from scaler.queues import Lanes, Measured, measure
from scaler.registry import Registry
from scaler.states import Address, States

log = logging.getLogger("scaler.depth")

PERIOD_S: Final = 0.25
RETELL_S: Final = 1.0
AT_ONCE: Final = 32
LONGEST_REASON: Final = 300

OnMeasured = Callable[[Address, Measured | None], None]


def trouble(state: DeploymentState, ready: int) -> str:
    """Why requests cannot be answered now; empty while somebody can, or soon will.

    An older generation that serves is started again, at once or by the next request.
    """
    if ready or state.state != "Failed" or state.serving:
        return ""
    return (headline(state.reason) or "failed")[:LONGEST_REASON]


class Depths:
    """The last depth of every queue."""

    def __init__(self, bus: Bus, registry: Registry, states: States, observer: Observer) -> None:
        self._bus = bus
        self._registry = registry
        self._states = states
        self._observer = observer
        self._on_measured: list[OnMeasured] = []
        self._clock = asyncio.get_running_loop().time
        self._told: dict[Address, tuple[Depth, float]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    def __repr__(self) -> str:
        return f"<Depths queues={len(self._told)}>"

    def lanes(self, endpoint: str, deployment: str) -> Lanes:
        """The last depth by lane; empty if it has not been measured."""
        told = self._told.get((endpoint, deployment))
        return told[0].lanes if told is not None else {}

    def on_measured(self, callback: OnMeasured) -> None:
        """Call `callback` with each queue that was measured; None if it was not found."""
        self._on_measured.append(callback)

    async def run(self) -> None:
        """Measure and tell for ever."""
        while True:
            began_s = self._clock()
            try:
                await self._tell_all()
            except BusError as exc:
                log.info("depth.missed %s", exc)
            await asyncio.sleep(max(0.05, PERIOD_S - (self._clock() - began_s)))

    async def look(self, endpoint: str, deployment: str) -> None:
        """Measure one queue now; harmless if there is none."""
        if self._registry.deployment(endpoint, deployment) is None:
            return
        try:
            await self._tell(endpoint, deployment)
        except BusError as exc:
            log.info("depth.missed %s/%s %s", endpoint, deployment, exc)

    async def _tell_all(self) -> None:
        names = [
            (stored.record.spec.endpoint_name, stored.record.spec.name)
            for stored in self._registry.deployments()
        ]
        for gone in self._told.keys() - set(names):
            del self._told[gone]
        results = await asyncio.gather(
            *(self._tell(*name) for name in names), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _tell(self, endpoint: str, deployment: str) -> None:
        async with self._room:
            measured = await measure(self._bus, endpoint, deployment)
        for callback in self._on_measured:
            callback((endpoint, deployment), measured)
        if measured is None:
            return
        depth, now_s = self._depth(endpoint, deployment, measured.lanes), self._clock()
        last, told_s = self._told.get((endpoint, deployment), (None, 0.0))
        if depth != last or now_s - told_s >= RETELL_S:
            self._told[endpoint, deployment] = depth, now_s
            await self._bus.publish(subjects.depth(endpoint, deployment), wire.encode(depth))

    def _trouble(self, endpoint: str, deployment: str, ready: int) -> str:
        if not self._observer.gateways.is_settled():
            return ""  # we have just begun to listen: nobody seen does not mean nobody there
        return trouble(self._states.get(endpoint, deployment), ready)

    def _depth(self, endpoint: str, deployment: str, lanes: Lanes) -> Depth:
        now_s = self._clock()
        ready = self._observer.fleet.ready(endpoint, deployment, now_s)
        return Depth(
            endpoint=endpoint,
            deployment=deployment,
            lanes=lanes,
            ready=len(ready),
            slots=sum(beat.slots for beat in ready),
            failed=self._trouble(endpoint, deployment, len(ready)),
            service=combined(ready),
            gateways=len(self._observer.gateways.live()),
            startup_s=self._observer.fleet.startup_s(endpoint, deployment),
            serving=self._states.get(endpoint, deployment).serving,
            health=self._observer.health.lately(endpoint, deployment, now_s),
            instances=self._observer.health.totals(endpoint, deployment),
        )
