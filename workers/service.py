"""One worker process, from its start to its end. Ring: service.

Order of life: connect, fetch what the deployment needs, boot the runners, pull and answer, drain.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from mesh import lifecycle, subjects, wire
from mesh.bus import Bucket, Bus, Message
from mesh.clock import BrokerClock, Sample, parse_broker_time
from mesh.errors import BootError, BusError, MeshError
from mesh.events import Events
from mesh.exits import Exit
from mesh.gpus import VISIBLE
from mesh.metrics import MetricsServer, new_registry
from mesh.settings import Settings
from mesh.subjects import ATTEMPTS_BUCKET
from mesh.tasks import end, first_of
from mesh.wire import Cancel
from workers.attempts import Attempts
from workers.beat import Heart
from workers.bodies import Bodies
from workers.consume import Consumer
from workers.devices import DeviceWatch
from workers.draining import heed
from workers.exchange import Callbacks
from workers.initialize import load_instance, prepare
from workers.instance import Assignment, Instance
from workers.logs import LogShipper
from workers.metrics import WorkerCollector
from workers.outbox import Outbox
from workers.pool import Pool
from workers.warden import Warden

log = logging.getLogger("workers")

SWEEP_S: Final = 0.1
CLOCK_S: Final = 5.0
BOOT_FAILURES: Final = 3


class Worker:
    """One instance of a deployment."""

    def __init__(self, settings: Settings, instance: Instance, attempts: Attempts) -> None:
        self._settings = settings
        self._instance = instance
        self._bus = instance.bus
        self._loop = asyncio.get_running_loop()
        self._clock = BrokerClock()
        self._outbox = Outbox(self._bus, instance.stream)
        self._logs = LogShipper(self._bus, instance.address)
        self._pool: Pool | None = None
        self._hopeless = asyncio.Event()
        bodies = Bodies(self._bus, settings.worker.max_answer_bytes, settings.gateway.result_ttl_s)
        self._consumer = Consumer(instance, self._outbox, attempts, self._clock, bodies)
        self._device: DeviceWatch | None = None
        if gpu := os.environ.get(VISIBLE, "").partition(",")[0]:
            self._device = DeviceWatch(gpu)
        self._heart = Heart(
            instance,
            desk=self._consumer.desk,
            tally=self._consumer.tally,
            pids=lambda: self._pool.pids if self._pool else (),
            gpu=lambda: self._device.figures if self._device else None,
        )
        self._warden = Warden(instance, self._consumer, self._heart)

    async def serve(self, stop: asyncio.Event) -> int:
        """Live until told to stop; return the exit code."""
        lifecycle.allow_drain(2 * self._drain_timeout_s)  # the requests, then the runners
        async with self._background():
            await self._warden.listen()
            try:
                pool = await self._boot(stop)
            except BootError as exc:
                return await self._fail(exc)
            if pool is None:
                return Exit.CLEAN
            code = await self._serve(pool, stop)
            await self._logs.flush()
            return code

    @contextlib.asynccontextmanager
    async def _background(self) -> AsyncIterator[None]:
        """Heartbeat, logs, clock, GPU and metrics, from the start to the end."""
        registry = new_registry()
        registry.register(
            WorkerCollector(
                self._instance,
                self._consumer.tally,
                self._heart,
                lambda: self._consumer.intake.backlog,
            )
        )
        own = self._settings.worker
        metrics = MetricsServer.open(registry, host=own.host, port=own.port)
        self._heart.metrics_url = metrics.url
        steps = [self._heart.run(), self._logs.run(), self._keep_clock()]
        if self._device is not None:
            steps.append(self._device.run())
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(step) for step in steps]
                yield
                for task in tasks:
                    task.cancel()
        finally:
            metrics.close()

    async def _boot(self, stop: asyncio.Event) -> Pool | None:
        """Fetch and boot; None if told to stop meanwhile."""
        say = partial(self._logs.say, container="storage-initializer")
        runtime = await prepare(self._instance, self._settings, say)
        callbacks = Callbacks(
            self._consumer.on_result,
            self._logs.add,
            self._consumer.on_exit,
            self._consumer.on_room,
        )
        self._pool = pool = Pool(runtime, callbacks)
        self._consumer.attach(pool)
        booting = asyncio.ensure_future(pool.start())
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({booting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if booting.done():
                booting.result()
                return pool
        except BootError:
            await pool.close(0.0)
            raise
        finally:
            booting.cancel()
            stopping.cancel()
        await pool.close(0.0)
        return None

    async def _fail(self, error: MeshError) -> int:
        log.error("worker.init_failed %s", error)
        if not error.context.get("is_said"):
            self._logs.say(error.message)
        await self._heart.become("failed", error.message)
        await self._tell("InitFailed", error.message)
        await self._logs.flush()
        return Exit.NOT_STARTED

    async def _serve(self, pool: Pool, stop: asyncio.Event) -> int:
        address = self._instance.address
        cancels = await self._bus.subscribe(
            subjects.cancel(address.endpoint, address.deployment), self._on_cancel
        )
        async with asyncio.TaskGroup() as group:
            warden = group.create_task(self._warden.run())
            tasks = [group.create_task(step) for step in (self._consumer.run(), self._sweep(pool))]
            await first_of(stop, self._bus.closed, self._hopeless)
            await end([warden])
            cut_off = await self._drain(pool) if not self._bus.closed.is_set() else 1
            for task in tasks:
                task.cancel()
        with contextlib.suppress(BusError):
            await cancels.unsubscribe()
        if self._bus.closed.is_set():
            return Exit.BROKER_LOST
        if self._hopeless.is_set():
            return await self._fail(BootError(pool.failure))
        return Exit.CUT_OFF if cut_off else Exit.CLEAN

    @property
    def _drain_timeout_s(self) -> float:
        own = self._instance.record.spec.mesh.drain_timeout_s
        return self._settings.worker.drain_timeout_s if own is None else own

    async def _drain(self, pool: Pool) -> int:
        timeout_s = self._drain_timeout_s
        await self._heart.become("draining")
        cut_off = await self._consumer.drain(timeout_s)
        await pool.close(timeout_s if not cut_off else 0.0)
        await self._outbox.drained()
        return cut_off

    async def _sweep(self, pool: Pool) -> None:
        """What must happen as time goes by: deadlines, signs of life, lost pulls."""
        pulls_at_s = 0.0
        while True:
            now_s = self._loop.time()
            pool.sweep(now_s)
            if pool.boot_failures >= BOOT_FAILURES and not pool.is_ready:
                self._hopeless.set()  # the scaler starts another instance, and says why
            self._warden.unready = pool.unready
            self._warden.look(now_s)
            self._consumer.sweep(now_s)
            self._outbox.retry()
            if now_s >= pulls_at_s:
                self._consumer.intake.sweep()
                pulls_at_s = now_s + 1.0
            await asyncio.sleep(SWEEP_S)

    async def _keep_clock(self) -> None:
        while True:
            started_s = self._loop.time()
            try:
                info = await self._bus.api(f"CONSUMER.INFO.{self._instance.stream}.interactive")
            except BusError as exc:
                log.debug("worker.no_clock %s", exc)
            else:
                ended_s = self._loop.time()
                middle_s, round_trip_s = (started_s + ended_s) / 2, ended_s - started_s
                broker_s = parse_broker_time(info["ts"])
                self._clock.record(Sample(broker_s, middle_s, round_trip_s))
            await asyncio.sleep(CLOCK_S)

    async def _on_cancel(self, message: Message) -> None:
        cancel = wire.decode(message.data, Cancel)
        if cancel is not None:
            self._consumer.cancel(cancel.request_id)

    async def _tell(self, name: str, text: str) -> None:
        endpoint, deployment, instance = self._instance.address
        generation = self._instance.record.generation
        await Events(self._bus).tell(
            name, endpoint, deployment, text, generation=generation, instance=instance
        )


async def run_worker(settings: Settings, assigned: Assignment, stop: asyncio.Event) -> int:
    """Connect and live as the instance that was assigned.

    Raises:
        BusError: the broker cannot be reached.
        SpecError: a person named a deployment, or a generation, that does not exist.
        NotFoundError: the deployment has no such generation any more.
    """
    address = assigned.address
    bus: Bus = await lifecycle.connect(settings, "worker", f"worker {'.'.join(address)}")
    try:
        await heed(bus, assigned, stop)
        instance = await load_instance(bus, assigned)
        attempts = Attempts(await Bucket.open(bus, ATTEMPTS_BUCKET), instance.stream)
        return await Worker(settings, instance, attempts).serve(stop)
    finally:
        await bus.close()
