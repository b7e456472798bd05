"""Following the load: after each measurement of a queue, how many instances there should be.

What is decided here is due until the keeper has carried it out. Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Set
from typing import Any, Protocol

from msgspec.structs import replace

from mesh import subjects, wire
from mesh.bus import Bus
from mesh.records import DeploymentRecord, DeploymentState
from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.bounds import Bounds, BoundsByTime
from mesh.scaling.observation import Observation
from mesh.scaling.policy import Decision
from mesh.spec.scale import ScaleSettings
from mesh.wire import ScaleDecision
from scaler.fleet import combined
from scaler.manual import PAUSED, change_by_hand
from scaler.observe import Observer
from scaler.queues import Measured
from scaler.registry import Registry
from scaler.situation import is_proving, wanted
from scaler.states import Address, States

log = logging.getLogger("scaler.scaling")


class Source(Protocol):
    """Where an `Observation` has further fields from."""

    def fields(self, record: DeploymentRecord, startup_s: float) -> dict[str, Any]:
        """Return what is known, at once; `startup_s`: how long the last start took."""
        ...

    def notes(self, record: DeploymentRecord) -> list[str]:
        """Return why something is not known."""
        ...


class _Track:
    """What is remembered of a deployment from one measurement to the next."""

    def __init__(self, scale: ScaleSettings) -> None:
        self.autoscaler = Autoscaler(scale)
        self.taken: int | None = None
        self.service_s: float | None = None
        self.seen: Observation | None = None

    def __repr__(self) -> str:
        return f"<_Track {self.autoscaler!r} taken={self.taken}>"


class Scaling:
    """Decides for every deployment that scales by itself; `limit` caps it by what may be had."""

    def __init__(self, bus: Bus, registry: Registry, states: States, observer: Observer) -> None:
        self._bus = bus
        self._registry = registry
        self._states = states
        self._observer = observer
        self._clock = asyncio.get_running_loop().time
        self._tracks: dict[Address, _Track] = {}
        self._due: dict[Address, ScaleDecision] = {}
        self._on_news: list[Callable[[], None]] = []
        self._sources: list[Source] = []
        self.remembered_s: Callable[[DeploymentRecord], float | None] = lambda _: None
        self.changes: Counter[tuple[str, str, str]] = Counter()
        self.limit: Callable[[DeploymentRecord, Decision], Decision] = lambda _, wish: wish

    def __repr__(self) -> str:
        return f"<Scaling deployments={len(self._tracks)} due={len(self._due)}>"

    def on_news(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a change is due."""
        self._on_news.append(callback)

    def add_source(self, source: Source) -> None:
        """Ask `source` at each look for further fields of the `Observation`."""
        self._sources.append(source)

    def seen(self, endpoint: str, deployment: str) -> Observation | None:
        """What was seen of a deployment last; None if it does not scale by itself."""
        track = self._tracks.get((endpoint, deployment))
        return track.seen if track is not None else None

    def notes(self, record: DeploymentRecord) -> list[str]:
        """Why something is not known by which a deployment scales."""
        return [note for source in self._sources for note in source.notes(record)]

    def bounds(self, record: DeploymentRecord) -> Bounds | None:
        """Between which counts a deployment may be now; None if it does not scale by itself."""
        scale = record.spec.autoscale
        if scale is None:
            return None
        track = self._tracks.get((record.spec.endpoint_name, record.spec.name))
        if track is not None and track.autoscaler.scale == scale:
            return track.autoscaler.bounds
        return BoundsByTime(scale).at(time.time())

    def profile(self, endpoint: str, deployment: str) -> str:
        """Which profile of a deployment applies; empty if it has none."""
        track = self._tracks.get((endpoint, deployment))
        return track.autoscaler.profile(self._clock()) if track is not None else ""

    def note_measured(self, address: Address, measured: Measured | None) -> None:
        """Decide anew for a deployment; `measured` is None if its queue could not be seen."""
        stored = self._registry.deployment(*address)
        scale = stored.record.spec.autoscale if stored is not None else None
        if stored is None or scale is None or stored.record.deleting:
            self._forget(address)
            return
        state = self._states.get(*address)
        track = self._track(address, scale)
        seen = track.seen = self._observe(stored.record, state, track, measured)
        decision = track.autoscaler.decide(seen, self._clock())
        decision = self.limit(stored.record, decision)
        if decision.count == seen.current:
            self._due.pop(address, None)
            return
        self._due[address] = _told(stored.record, track.autoscaler.bounds, seen, decision, measured)
        for callback in self._on_news:
            callback()

    def retain(self, addresses: Set[Address]) -> None:
        """Forget every deployment but these."""
        for gone in self._tracks.keys() - addresses:
            self._forget(gone)
        for key in [key for key in self.changes if key[:2] not in addresses]:
            del self.changes[key]

    async def begin(self, record: DeploymentRecord, state: DeploymentState) -> DeploymentState:
        """Return the state with the target it is to have now; a change is told first.

        Raises:
            BusError: it could not be told, so it is still due.
        """
        address = record.spec.endpoint_name, record.spec.name
        if record.spec.autoscale is None:
            state = replace(state, target=None, target_reason="")
        elif record.is_paused:
            state = replace(state, target=record.paused_count, target_reason=PAUSED)
        else:
            state = await self._follow(address, record, state)
        if record.deleting:
            return state
        if change := change_by_hand(record, state):
            await self._tell(address, change)
        return replace(state, told=wanted(record, state), told_paused=record.is_paused)

    async def _follow(
        self, address: Address, record: DeploymentRecord, state: DeploymentState
    ) -> DeploymentState:
        """Carry out what the load has changed."""
        for direction in ("in", "out"):
            self.changes[(*address, direction)] += 0  # told from zero on: rate() sees the first one
        if address not in self._due and wanted(record, state) != _target(record, state):
            self.note_measured(address, None)  # other bounds, or a generation to prove: said first
        due = self._due.get(address)
        if due is None:
            return replace(state, target=_target(record, state))
        if state.told is not None:
            due = replace(due, before=state.told)
        await self._tell(address, due)
        self.changes[(*address, "out" if due.after > due.before else "in")] += 1
        del self._due[address]
        return replace(state, target=due.after, target_reason=due.reason, told=due.after)

    async def _tell(self, address: Address, change: ScaleDecision) -> None:
        said = replace(change, at_s=time.time())
        await self._bus.publish(subjects.scale(*address), wire.encode(said))
        log.info(
            "scaling.changed %s/%s %d -> %d: %s", *address, said.before, said.after, said.reason
        )

    def _track(self, address: Address, scale: ScaleSettings) -> _Track:
        """What is known of a deployment; other settings begin with other policies."""
        track = self._tracks.setdefault(address, _Track(scale))
        if track.autoscaler.scale != scale:
            track.autoscaler = Autoscaler(scale)
        return track

    def _observe(
        self,
        record: DeploymentRecord,
        state: DeploymentState,
        track: _Track,
        measured: Measured | None,
    ) -> Observation:
        spec, fleet, now_s = record.spec, self._observer.fleet, self._clock()
        ready = fleet.ready(spec.endpoint_name, spec.name, now_s)
        service = combined(ready)
        if service.answered:
            track.service_s = service.mean_s
        elif track.service_s is None:
            track.service_s = self.remembered_s(record)
        active = False
        if measured is not None:
            active = track.taken is not None and measured.taken != track.taken
            track.taken = measured.taken
        rates = self._observer.offered.rates(spec.endpoint_name, spec.name, now_s)
        lanes = measured.lanes if measured is not None else None
        heard = self._observer.signals(spec.endpoint_name, spec.name, lanes)
        for source in self._sources:
            heard |= source.fields(record, heard["startup_s"])
        return Observation(
            current=_target(record, state),
            depth=measured.depth if measured is not None else None,
            shadows=measured.shadows if measured is not None else 0,
            active=active,
            ready=len(ready),
            slots=spec.slots,
            service_s=track.service_s,
            cpu_percent=fleet.cpu_percent(spec.endpoint_name, spec.name, now_s),
            proving=is_proving(record, state),
            offered_per_s=rates.offered if rates is not None else None,
            refused_per_s=rates.refused if rates is not None else None,
            at_s=time.time(),
            paused=record.is_paused,
            **heard,
        )

    def _forget(self, address: Address) -> None:
        self._tracks.pop(address, None)
        self._due.pop(address, None)


def _target(record: DeploymentRecord, state: DeploymentState) -> int:
    """The count that was decided last; where nothing was, the one somebody asked for."""
    if record.is_paused:
        return wanted(record, state)
    return record.spec.instance_count if state.target is None else state.target


def _told(
    record: DeploymentRecord,
    bounds: Bounds,
    seen: Observation,
    decision: Decision,
    measured: Measured | None,
) -> ScaleDecision:
    return ScaleDecision(
        endpoint=record.spec.endpoint_name,
        deployment=record.spec.name,
        generation=record.generation,
        before=seen.current,
        after=decision.count,
        reason=decision.reason,
        min_instances=bounds.least,
        max_instances=bounds.most,
        asked=decision.counts,
        lanes=measured.lanes if measured is not None else {},
        ready=seen.ready,
        slots=seen.slots,
        service_s=seen.service_s,
        cpu_percent=seen.cpu_percent,
        offered_per_s=seen.offered_per_s,
        refused_per_s=seen.refused_per_s,
        seen=seen,
        why=decision.reasons,
    )
