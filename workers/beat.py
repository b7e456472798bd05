"""The worker's heartbeat: once a second, and at each change of state. Ring: adapter."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterable
from typing import Final

import psutil

from mesh import subjects, wire
from mesh.errors import BusError
from mesh.figures import GpuFigures
from mesh.instances import InstanceState
from mesh.reason import headline
from mesh.wire import WorkerHeartbeat
from workers.desk import Desk
from workers.instance import Instance
from workers.memory import memory_limit_bytes
from workers.tally import WorkerTally

log = logging.getLogger("workers.beat")

PERIOD_S: Final = 1.0


class Heart:
    """Tells how the instance is. What it is given is asked at each beat."""

    def __init__(
        self,
        instance: Instance,
        *,
        desk: Desk,
        tally: WorkerTally,
        pids: Callable[[], Iterable[int]],
        gpu: Callable[[], GpuFigures | None] = lambda: None,
    ) -> None:
        self._instance = instance
        self._desk = desk
        self._tally = tally
        self._pids = pids
        self._gpu = gpu
        self._processes: dict[int, psutil.Process] = {}
        self.state: InstanceState = "starting"
        self.reason = ""
        self.metrics_url = ""
        self.last = self._heartbeat()

    @property
    def is_ready(self) -> bool:
        """Whether the instance serves."""
        return self.state == "ready"

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            await self.beat()
            await asyncio.sleep(PERIOD_S)

    async def become(self, state: InstanceState, reason: str = "") -> None:
        """Change state and tell it at once."""
        log.info("worker.%s %s", state, headline(reason))
        self.state, self.reason = state, reason
        await self.beat()

    async def beat(self) -> None:
        """Tell it now; a beat that cannot be sent is not made up for."""
        self.last = self._heartbeat()
        try:
            await self._instance.bus.publish(
                subjects.worker_heartbeat(self._instance.address), wire.encode(self.last)
            )
        except BusError:
            log.debug("beat.missed")

    def _heartbeat(self) -> WorkerHeartbeat:
        address, record = self._instance.address, self._instance.record
        cpu_percent, memory_bytes = self._usage()
        return WorkerHeartbeat(
            endpoint=address.endpoint,
            deployment=address.deployment,
            instance=address.instance,
            generation=record.generation,
            state=self.state,
            reason=self.reason,
            pid=os.getpid(),
            host=socket.gethostname(),
            slots=self._desk.load.slots,
            in_flight=self._desk.load.busy,
            held=len(self._desk),
            service=self._tally.service,
            cpu_percent=cpu_percent,
            memory_bytes=memory_bytes,
            metrics_url=self.metrics_url,
            gpu=self._gpu(),
            memory_limit_bytes=memory_limit_bytes(),
            failed=self._tally.failed,
            by_hand=self._instance.by_hand,
        )

    def _usage(self) -> tuple[float, int]:
        """CPU (percent of one core) and resident memory of supervisor and runners together."""
        pids = {os.getpid(), *self._pids()}
        self._processes = {pid: process for pid, process in self._processes.items() if pid in pids}
        cpu_percent, memory_bytes = 0.0, 0
        for pid in pids:
            try:
                process = self._processes.setdefault(pid, psutil.Process(pid))
                cpu_percent += process.cpu_percent()
                memory_bytes += process.memory_info().rss
            except psutil.Error:
                continue
        return cpu_percent, memory_bytes
