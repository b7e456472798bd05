"""What a mesh under load tells of itself: memory, instances, and the rate it is offered."""

import asyncio
import time
from collections.abc import Iterator

import msgspec
import psutil

from mesh import subjects, wire
from mesh.bus import Bus, Message
from mesh.wire import Depth, GatewayHeartbeat
from scaler.offered import Offered
from tests.chaos.victim import Victim

PERIOD_S = 1.0
MIB = 1 << 20


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One look, `at_s` after the start: resident MiB by process, instances, and requests/s."""

    at_s: float
    memory_mib: dict[str, float]
    ready: int
    offered_per_s: float | None


class Gauges:
    """Looks once a second. The offered rate is made of gateways' heartbeats, as the scaler does."""

    def __init__(self, victim: Victim, bus: Bus) -> None:
        self.samples: list[Sample] = []
        self._victim = victim
        self._bus = bus
        self._offered = Offered()
        self._ready = 0

    async def run(self) -> None:
        """Look for ever."""
        await self._bus.subscribe(subjects.GATEWAY_HEARTBEATS, self._on_gateway)
        await self._bus.subscribe(subjects.depth("echo", "blue"), self._on_depth)
        start_s = time.monotonic()
        while True:
            self._look(start_s)
            await asyncio.sleep(PERIOD_S)

    def _look(self, start_s: float) -> None:
        now_s = time.monotonic()
        rates = self._offered.rates("echo", "blue", now_s)
        sample = Sample(
            at_s=now_s - start_s,
            memory_mib=dict(_memory(self._victim)),
            ready=self._ready,
            offered_per_s=rates.offered if rates is not None else None,
        )
        self.samples.append(sample)

    async def _on_gateway(self, message: Message) -> None:
        if (said := wire.decode(message.data, GatewayHeartbeat)) is not None:
            self._offered.hear(said, time.monotonic())

    async def _on_depth(self, message: Message) -> None:
        if (said := wire.decode(message.data, Depth)) is not None:
            self._ready = said.ready


def _memory(victim: Victim) -> Iterator[tuple[str, float]]:
    mesh = victim.state.mesh()
    named = [("mesh up", mesh.pid), *((one.name, one.pid) for one in mesh.programs)]
    for number, worker in enumerate(victim.workers(), 1):
        named.append((f"worker {number}", worker.pid))
        named += [
            (f"runner {number}.{place}", runner.pid)
            for place, runner in enumerate(victim.runners(worker), 1)
        ]
    for name, pid in named:
        try:
            yield name, psutil.Process(pid).memory_info().rss / MIB
        except psutil.NoSuchProcess:
            continue
