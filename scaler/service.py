"""One scaler process: connect, wait for the lead, lead until told to stop. Ring: service.

Workers survive it: on a stop it leaves everything as it is for the next leader.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from mesh import lifecycle, subjects
from mesh.bus import Bucket, Bus
from mesh.errors import BusError
from mesh.events import Events
from mesh.exits import Exit
from mesh.gpus import Gpus
from mesh.instance_types import load_instance_types
from mesh.metrics import DISCOVERY_PATH, MetricsServer, new_registry
from mesh.nvml import find_gpus
from mesh.settings import Settings
from mesh.streams import ensure_topology
from mesh.tasks import end, wait_for
from scaler import places
from scaler.api.desk import Desk
from scaler.api.service import ManagementService
from scaler.capacity import Capacity
from scaler.crashes import Pace
from scaler.demand import Demands
from scaler.depth import Depths
from scaler.discovery import Discovery
from scaler.gateways import FIRST_BEATS_S
from scaler.keeper import Keeper, Parts
from scaler.launchers.machine import open_limiter, own_machine
from scaler.launchers.process import Command, ProcessLauncher
from scaler.launchers.spares import SpareCommand
from scaler.lease import Lease
from scaler.memory import Memory
from scaler.metrics import DeploymentPicture, Picture, ScalerCollector, count_states
from scaler.observe import Observer
from scaler.registry import Registry
from scaler.situation import wanted
from scaler.sources import Sources
from scaler.states import States
from scaler.sweep import Sweep
from scaler.targets import targets

log = logging.getLogger("scaler")

LEASE: Final = "scaler"
LOOK_S: Final = 0.25  # how often one that waits looks whether the lease is free
PICTURE_S: Final = 1.0
GPUS_LIMIT_S: Final = 10.0


class Scaler:
    """A scaler that leads while it holds the lease.

    `on_ready` is called with the metrics' address when it serves; `first_beats_s` is how long it
    listens before it believes that no gateway lives; `find_gpus` is asked once, at the start;
    `spare` says how a worker is started ahead of need.
    """

    def __init__(
        self,
        settings: Settings,
        command: Command,
        on_ready: Callable[[str], None],
        first_beats_s: float = FIRST_BEATS_S,
        find_gpus: Callable[[], Gpus] = find_gpus,
        spare: SpareCommand | None = None,
    ) -> None:
        self._spare = spare
        self._find_gpus = find_gpus
        self._gpus = Gpus()
        self._first_beats_s = first_beats_s
        self._settings = settings
        self._types = load_instance_types(settings.scaler.instance_types)
        self._command = command
        self._on_ready = on_ready
        self._collector = ScalerCollector()
        self._discovery = Discovery()
        self._url = ""

    def __repr__(self) -> str:
        return f"<Scaler leading={self._collector.picture.leading}>"

    async def run(self, stop: asyncio.Event) -> int:
        """Live until told to stop, or until another scaler leads; return the exit code."""
        self._gpus = await look_for_gpus(self._find_gpus)  # before the lease, which is kept alive
        bus = await lifecycle.connect(self._settings, "scaler", "scaler")
        observer = Observer(self._first_beats_s)
        await observer.start(bus)  # who waits for the lead knows who lives when it gets it
        registry = new_registry()
        registry.register(self._collector)
        self._collector.is_connected = lambda: bus.is_connected
        own = self._settings.scaler
        pages = {DISCOVERY_PATH: self._discovery.page}
        metrics = MetricsServer.open(registry, host=own.host, port=own.port, pages=pages)
        self._url = metrics.url
        try:
            await ensure_topology(bus, self._settings.gateway.result_ttl_s)
            lease = Lease(bus, LEASE, f"{socket.gethostname()}.{secrets.token_hex(8)}")
            if not await self._take_lead(lease, observer, stop):
                return Exit.CLEAN
            return await self._lead(bus, lease, observer, stop)
        finally:
            metrics.close()
            await bus.close()

    async def _take_lead(self, lease: Lease, observer: Observer, stop: asyncio.Event) -> bool:
        """Wait until the lease is ours; False if told to stop meanwhile."""
        waited = False
        while not stop.is_set():
            try:
                if await lease.acquire():
                    return True
                if not waited:
                    log.info(
                        "scaler.waiting another one leads, or did a moment ago metrics=%s",
                        self._url,
                    )
            except BusError as exc:
                log.warning("scaler.no_lease %s", exc)
            waited = True
            observer.expire()
            await wait_for(stop, LOOK_S)
        return False

    async def _lead(self, bus: Bus, lease: Lease, observer: Observer, stop: asyncio.Event) -> int:
        log.info("scaler.leading")
        async with self._leading(bus, lease, observer) as tasks:
            self._on_ready(self._url)
            tasks.append(asyncio.create_task(self._keep_lease(lease)))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            for task in tasks:
                if task.done():
                    task.result()
        lost = not lease.is_held
        with contextlib.suppress(BusError):
            await lease.release()
        return Exit.BROKER_LOST if lost and not stop.is_set() else Exit.CLEAN

    async def _keep_lease(self, lease: Lease) -> None:
        """Return when somebody else may lead. While the broker is away nobody can."""
        while True:
            try:
                if not await lease.renew() and not await lease.regain():
                    break
            except BusError as exc:
                log.info("scaler.lease_lapsed %s", exc)
            await asyncio.sleep(lease.period_s)
        log.error("scaler.deposed")

    @contextlib.asynccontextmanager
    async def _leading(
        self, bus: Bus, lease: Lease, observer: Observer
    ) -> AsyncIterator[list[asyncio.Task[None]]]:
        """Everything a leader runs; what the list holds is not expected to end."""
        async with contextlib.AsyncExitStack() as stack:
            parts, launcher = await self._parts(bus, lease, observer, stack)
            await parts.removals.sweep()
            own = self._settings.worker
            keeper = Keeper(parts, launcher, own.drain_timeout_s)
            stack.push_async_callback(keeper.hands.close)
            parts.observer.on_news(keeper.poke)
            depths = Depths(bus, parts.registry, parts.states, parts.observer)
            depths.on_measured(parts.scaling.note_measured)
            sources = Sources(parts, self._settings.scaler)
            stack.push_async_callback(sources.close)
            demands = Demands(bus, depths.look)
            await demands.start()
            stack.push_async_callback(demands.close)
            keys = await Bucket.open(bus, subjects.KEYS_BUCKET)
            service = ManagementService(Desk(parts, depths, keys))
            painting = self._paint(parts, depths, keeper, service, launcher)
            steps = [keeper.run(), depths.run(), Sweep(parts, depths).run(), painting]
            steps += [sources.run(), self._keep_spares(parts, launcher)]
            tasks = [asyncio.create_task(step) for step in steps]
            stack.push_async_callback(end, tasks)
            await service.start()
            stack.push_async_callback(service.close)
            yield tasks

    async def _parts(
        self, bus: Bus, lease: Lease, observer: Observer, stack: contextlib.AsyncExitStack
    ) -> tuple[Parts, ProcessLauncher]:
        registry = await Registry.open(bus)
        stack.push_async_callback(registry.close)
        states = await States.open(bus)
        own = self._settings.scaler
        pace = Pace(first_s=own.restart_min_s, longest_s=own.restart_max_s)
        memory = Memory(observer, states, Events(bus), pace)
        stack.push_async_callback(memory.close)
        state_dir = Path(self._settings.state_dir)
        machine, limiter = own_machine(own, self._gpus), open_limiter(own, state_dir)
        launcher = ProcessLauncher(
            state_dir, self._command, memory.note_ended, machine, limiter, self._spare
        )
        launcher.on_out_of_memory(memory.note_out_of_memory)
        stack.push_async_callback(launcher.close)
        launcher.adopt()
        parts = Parts(bus, registry, states, observer, memory)
        parts.capacity = Capacity(self._settings, self._types, launcher, registry, states)
        parts.expected = await places.taken(bus)
        parts.scaling.limit = parts.capacity.limit
        parts.leads = lambda: lease.is_held and bus.is_connected
        return parts, launcher

    async def _paint(
        self,
        parts: Parts,
        depths: Depths,
        keeper: Keeper,
        service: ManagementService,
        launcher: ProcessLauncher,
    ) -> None:
        """Put up a new picture for the metrics and a new list of targets once a second."""
        since_s = time.time()
        while True:
            self._discover(parts)
            self._collector.picture = Picture(
                deployments=_deployments(parts, depths, keeper),
                gateways=len(parts.observer.gateways.live()),
                scale_changes=dict(parts.scaling.changes),
                rollouts=keeper.outcomes.counts(),
                verbs=dict(service.answered),
                leading=True,
                leads_since_s=since_s,
                spares=len(launcher.spares),
                spare_starts=launcher.spares.taken,
            )
            await asyncio.sleep(PICTURE_S)

    async def _keep_spares(self, parts: Parts, launcher: ProcessLauncher) -> None:
        """Have spares as long as some deployment follows its load."""
        while True:
            deployments = parts.registry.deployments()
            follows = any(one.record.spec.autoscale is not None for one in deployments)
            launcher.keep_spares(self._settings.worker.spares if follows else 0)
            await asyncio.sleep(PICTURE_S)

    def _discover(self, parts: Parts) -> None:
        """Tell who lives, unless we cannot know it now: then what was told last still holds."""
        observer = parts.observer
        if parts.leads() and observer.gateways.is_settled():
            workers = observer.fleet.live(asyncio.get_running_loop().time())
            machine = socket.gethostname()
            self._discovery.groups = targets(observer.gateways.live(), workers, self._url, machine)


async def look_for_gpus(find: Callable[[], Gpus], limit_s: float = GPUS_LIMIT_S) -> Gpus:
    """Ask for the GPUs in a thread; a driver that hangs has none."""
    try:
        async with asyncio.timeout(limit_s):
            gpus = await asyncio.to_thread(find)
    except TimeoutError:
        gpus = Gpus(reason=f"NVML did not answer in {limit_s:g} s")
    log.info("scaler.gpus found=%d %s", len(gpus.found), gpus.reason)
    return gpus


def _deployments(parts: Parts, depths: Depths, keeper: Keeper) -> tuple[DeploymentPicture, ...]:
    now_s = asyncio.get_running_loop().time()
    pictures = []
    for stored in parts.registry.deployments():
        spec, bounds = stored.record.spec, parts.scaling.bounds(stored.record)
        count = wanted(stored.record, parts.states.get(spec.endpoint_name, spec.name))
        beats = parts.observer.fleet.fresh(spec.endpoint_name, spec.name, now_s)
        seen = parts.scaling.seen(spec.endpoint_name, spec.name)
        pictures.append(
            DeploymentPicture(
                endpoint=spec.endpoint_name,
                deployment=spec.name,
                lanes=depths.lanes(spec.endpoint_name, spec.name),
                wanted=count,
                least=bounds.least if bounds else count,
                most=bounds.most if bounds else count,
                instances=count_states(beat.state for beat in beats),
                cpu_percent=sum(beat.cpu_percent for beat in beats),
                memory_bytes=sum(beat.memory_bytes for beat in beats),
                starts=keeper.hands.starts[spec.endpoint_name, spec.name],
                crashes=parts.memory.crashed[spec.endpoint_name, spec.name],
                queries=seen.queries if seen is not None else {},
                query_failures=parts.query_failures(stored.record),
                forecast_per_s=seen.forecast_per_s if seen is not None else None,
                foreign=keeper.foreign.count(spec.endpoint_name, spec.name),
                price_per_hour=parts.capacity.price_per_hour(stored.record) or 0.0,
            )
        )
    return tuple(pictures)
