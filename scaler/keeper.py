"""The loop that keeps deployments as they should be: observe, decide, act.

It looks at everything each second, and at once when something happened: a change of the config, of
an instance's state, or the end of a process. Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

from mesh import subjects
from mesh.bus import Bus
from mesh.errors import MeshError
from mesh.events import Events
from mesh.records import DeploymentRecord
from mesh.spec.scale import ScaleSettings
from mesh.subjects import WorkerAddress
from mesh.tasks import wait_for
from scaler.capacity import Capacity
from scaler.foreign import Expected, Foreign
from scaler.hands import Hands, Tools
from scaler.launchers import Launcher
from scaler.memory import Memory
from scaler.observe import Observer
from scaler.outcomes import Outcomes
from scaler.places import Places
from scaler.queues import measure
from scaler.reconcile import decide
from scaler.registry import Registry, Stored
from scaler.removal import Removals
from scaler.scaling import Scaling
from scaler.situation import Instance, Plan, Remove, Situation
from scaler.states import Address, States

log = logging.getLogger("scaler.keeper")

TICK_S: Final = 1.0
DRAIN_MARGIN_S: Final = 5.0

Instances = tuple[Instance, ...]


class Parts:
    """What the keeper works with.

    `leads` tells whether this scaler may act now, `capacity` what instances may have, `expected`
    which instances an earlier leader was about to start; `refuse_scaling` refuses settings that it
    could not act on, `query_failures` counts by query.
    """

    def __init__(
        self, bus: Bus, registry: Registry, states: States, observer: Observer, memory: Memory
    ) -> None:
        self.bus = bus
        self.registry = registry
        self.states = states
        self.observer = observer
        self.memory = memory
        self.events = Events(bus)
        self.scaling = Scaling(bus, registry, states, observer)
        self.removals = Removals(bus, registry, states, observer.gateways, self.events)
        self.leads: Callable[[], bool] = lambda: bus.is_connected
        self.query_failures: Callable[[DeploymentRecord], dict[str, int]] = lambda _: {}
        self.refuse_scaling: Callable[[ScaleSettings | None], None] = lambda _: None
        self.capacity: Capacity
        self.expected: Mapping[WorkerAddress, Expected] = {}

    def __repr__(self) -> str:
        return f"<Parts {self.registry!r} {self.observer!r}>"


class Keeper:
    """Keeps the instances of every deployment."""

    def __init__(self, parts: Parts, launcher: Launcher, drain_timeout_s: float) -> None:
        self._parts = parts
        self._launcher = launcher
        self._drain_timeout_s = drain_timeout_s
        self._clock = asyncio.get_running_loop().time
        self._news = asyncio.Event()
        self.outcomes = Outcomes()
        self._places = Places(parts.bus)
        self.foreign = Foreign(parts.bus, parts.observer.fleet, parts.expected)
        self.hands = Hands(
            Tools(
                launcher,
                self.foreign,
                self._places,
                parts.memory,
                parts.registry,
                parts.observer.gateways,
                parts.removals,
                parts.events,
                parts.leads,
            )
        )
        self.hands.need = parts.capacity.need
        parts.memory.on_news(self.poke)
        parts.registry.on_change(self.poke)
        parts.scaling.on_news(self.poke)

    def __repr__(self) -> str:
        return f"<Keeper {self._launcher!r}>"

    def poke(self) -> None:
        """Say that something has happened."""
        self._news.set()

    async def run(self) -> None:
        """Keep for ever, from when everybody who lives has had the time to speak."""
        await self._parts.observer.gateways.settled()
        while True:
            self._news.clear()
            again_s = await self._round() if self._parts.leads() else TICK_S
            await wait_for(self._news, again_s)

    async def _round(self) -> float:
        """Look at every deployment once; return in how many seconds to look again."""
        self._parts.observer.expire()
        instances = await self._instances()
        again_s = TICK_S
        seen: set[Address] = set()
        for stored in self._parts.registry.deployments():
            if not self._parts.leads():
                return TICK_S
            address = stored.record.spec.endpoint_name, stored.record.spec.name
            seen.add(address)
            try:
                plan = await self._look_at(address, stored, instances.pop(address, ()))
            except MeshError as exc:
                log.warning("keeper.missed %s/%s %s", *address, exc)
                continue
            again_s = min(again_s, plan.again_s or again_s)
        self._parts.scaling.retain(seen)
        self.outcomes.retain(seen)
        await self._drain_strays(instances)
        for endpoint in self._parts.registry.endpoints():
            if endpoint.record.deleting:
                self.hands.remove_endpoint(endpoint.record.spec.name)
        return again_s

    async def _instances(self) -> dict[Address, Instances]:
        """All instances by deployment, those included whose end is not understood yet."""
        fleet, now_s = self._parts.observer.fleet, self._clock()
        own = {one.address: fleet.instance(one, now_s) for one in self._launcher.running()}
        own |= dict(self._parts.memory.ending())
        await self._places.give_back(own, fleet)
        found: defaultdict[Address, list[Instance]] = defaultdict(list)
        for address, instance in [*own.items(), *await self.foreign.look(own)]:
            found[address[:2]].append(instance)
        return {address: tuple(instances) for address, instances in found.items()}

    async def _look_at(
        self, address: Address, stored: Stored[DeploymentRecord], instances: Instances
    ) -> Plan:
        plan = decide(await self._situation(address, stored, instances), self._clock())
        if not any(isinstance(action, Remove) for action in plan.actions):
            await self._show(address, plan)  # first: who takes over must know what was decided
        for action in plan.actions:
            await self.hands.act(address, action)
        return plan

    async def _show(self, address: Address, plan: Plan) -> None:
        before, state = self._parts.states.get(*address), plan.state
        if not await self._parts.states.set(*address, state):
            return
        self.outcomes.note(address, before, state)
        text = f"{state.state}: {state.reason}".removesuffix(": ")
        generation = state.generation
        await self._parts.events.tell("StateChanged", *address, text, generation=generation)

    async def _situation(
        self, address: Address, stored: Stored[DeploymentRecord], instances: Instances
    ) -> Situation:
        record = stored.record
        unrouted = record.deleting and self._parts.removals.is_unrouted(stored)
        measured = await measure(self._parts.bus, *address) if unrouted else None
        drain_s = record.spec.mesh.drain_timeout_s
        return Situation(
            record=record,
            state=await self._parts.scaling.begin(record, self._parts.states.get(*address)),
            instances=instances,
            crashes=self._parts.memory.crashes(address),
            kept=self._parts.registry.generations(*address),
            drain_grace_s=DRAIN_MARGIN_S + (self._drain_timeout_s if drain_s is None else drain_s),
            unrouted=unrouted,
            waiting=sum(measured.lanes.values()) if measured is not None else None,
            deleting_for_s=max(0.0, time.time() - record.modified_at_s),
        )

    async def _drain_strays(self, instances: dict[Address, Instances]) -> None:
        """Stop processes of deployments that do not exist."""
        for address, strays in instances.items():
            if self._parts.registry.has(subjects.deployment_key(*address)):
                continue  # it exists but cannot be read: leave what runs alone
            for instance in strays:
                stray = WorkerAddress(*address, instance.instance)
                await self.hands.drain(stray, "its deployment does not exist")
