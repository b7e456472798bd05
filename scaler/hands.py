"""Carrying out what was decided. Processes at once; what waits for the broker, beside the loop.

Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import NamedTuple

from mesh import subjects
from mesh.errors import MeshError
from mesh.events import Events
from mesh.spec.deployment import DeploymentSpec
from mesh.subjects import WorkerAddress
from mesh.tasks import end
from scaler.foreign import Foreign
from scaler.gateways import Gateways
from scaler.launchers import NOTHING, Launcher, LaunchError, Need, NoRoomError
from scaler.memory import Memory
from scaler.places import Places
from scaler.registry import Registry
from scaler.removal import Removals
from scaler.situation import Action, Collect, Drain, Kill, Launch, Remove, Replace, TakeTraffic
from scaler.states import Address
from scaler.traffic import take_all

log = logging.getLogger("scaler.hands")

Step = Coroutine[None, None, None]


class Tools(NamedTuple):
    """What plans are carried out with; `leads` tells whether this scaler may act now."""

    launcher: Launcher
    foreign: Foreign
    places: Places
    memory: Memory
    registry: Registry
    gateways: Gateways
    removals: Removals
    events: Events
    leads: Callable[[], bool]


class Hands:
    """Does what plans say, as long as it may.

    `need` tells what an instance of a deployment is given.
    """

    def __init__(self, tools: Tools) -> None:
        self._launcher = tools.launcher
        self._foreign = tools.foreign
        self._places = tools.places
        self._memory = tools.memory
        self._registry = tools.registry
        self._gateways = tools.gateways
        self._removals = tools.removals
        self._events = tools.events
        self._leads = tools.leads
        self._steps: dict[tuple[str, str, str], asyncio.Task[None]] = {}
        self.need: Callable[[DeploymentSpec], Need] = lambda _: NOTHING
        self.starts: Counter[Address] = Counter()

    def __repr__(self) -> str:
        return f"<Hands steps={len(self._steps)} starts={self.starts.total()}>"

    async def act(self, address: Address, action: Action) -> None:
        """Carry out one action for a deployment, unless another scaler leads by now."""
        if self._leads():
            await self._do(address, action)

    async def _do(self, address: Address, action: Action) -> None:
        match action:
            case Launch(generation, reason):
                await self._launch(address, generation, reason)
            case Drain(instance, reason):
                await self.drain(WorkerAddress(*address, instance), reason)
            case Replace(instance, generation, reason):
                suspect = WorkerAddress(*address, instance)
                await self._memory.note_suspect(suspect, generation, reason)
                await self.drain(suspect, f"suspect: {reason}")
            case Kill(instance, reason):
                await self._kill(WorkerAddress(*address, instance), reason)
            case Collect(generation):
                await self._registry.delete(subjects.generation_key(*address, generation))
            case TakeTraffic():
                step = take_all(self._registry, self._gateways, self._events, *address)
                self._beside((*address, "traffic"), step)
            case Remove():
                self._beside((*address, "remove"), self._remove(address))

    async def drain(self, address: WorkerAddress, reason: str) -> None:
        """Ask an instance to stop, once."""
        for running in self._launcher.running():
            if running.address == address and running.draining_since_s is None:
                self._launcher.drain(address)
                await self._tell("Killing", address, running.generation, f"draining: {reason}")
        await self._foreign.drain(address, reason)

    def remove_endpoint(self, endpoint: str) -> None:
        """Go on with the deletion of an endpoint."""
        self._beside((endpoint, "", "remove"), self._removals.endpoint(endpoint))

    async def close(self) -> None:
        """Stop what runs beside the loop; the next leader goes on with it."""
        await end(list(self._steps.values()))

    async def _launch(self, address: Address, generation: int, reason: str) -> None:
        instance = WorkerAddress(*address, f"g{generation}-{secrets.token_hex(4)}")
        record = self._registry.generation(*address, generation)
        need = self.need(record.spec) if record is not None else NOTHING
        await self._places.take(instance, generation)
        if not self._leads():
            log.warning("hands.deposed instance=%s is not started", instance.instance)
            return
        try:
            self._launcher.launch(instance, generation, need)
        except LaunchError as exc:
            no_room = isinstance(exc, NoRoomError)
            await self._memory.note_failed_launch(instance, generation, str(exc), no_room=no_room)
            return
        self.starts[address] += 1
        await self._tell("Started", instance, generation, reason)

    async def _kill(self, address: WorkerAddress, reason: str) -> None:
        for running in self._launcher.running():
            if running.address == address:
                self._launcher.kill(address)
                await self._tell("Killing", address, running.generation, f"killed: {reason}")

    async def _remove(self, address: Address) -> None:
        await self._removals.deployment(*address)
        self._memory.forget(address)
        del self.starts[address]

    async def _tell(self, name: str, address: WorkerAddress, generation: int, text: str) -> None:
        endpoint, deployment, instance = address
        await self._events.tell(
            name, endpoint, deployment, text, generation=generation, instance=instance
        )

    def _beside(self, key: tuple[str, str, str], step: Step) -> None:
        """Run a step unless the same one is running."""
        if key in self._steps:
            step.close()
            return
        task = asyncio.create_task(self._finish(key, step))
        self._steps[key] = task
        task.add_done_callback(lambda _: self._steps.pop(key, None))

    async def _finish(self, key: tuple[str, str, str], step: Step) -> None:
        try:
            await step
        except MeshError as exc:  # the next look at the deployment starts it again
            log.warning("hands.again step=%s %s", "/".join(key), exc)
