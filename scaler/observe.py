"""Listening: heartbeats of workers and gateways, and why instances say they cannot start.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from mesh import subjects, wire
from mesh.bus import Bus, Message, Subscription
from mesh.subjects import WorkerAddress
from mesh.wire import GatewayHeartbeat, WorkerHeartbeat
from scaler.fleet import Fleet
from scaler.forecast.demand import Demand
from scaler.gateways import FIRST_BEATS_S, Gateways
from scaler.health import Health
from scaler.offered import Offered
from scaler.signals import expected_wait_s, heard_signals

REASONS_KEPT: Final = 1000


class Failures:
    """Why instances said they could not start. The message may come after the process's end."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[WorkerAddress, str] = OrderedDict()
        self._told = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Failures instances={len(self._reasons)}>"

    def note(self, address: WorkerAddress, reason: str) -> None:
        """Remember a reason; the longest told is the most telling."""
        if len(reason) > len(self._reasons.get(address, "")):
            self._reasons[address] = reason
        while len(self._reasons) > REASONS_KEPT:
            self._reasons.popitem(last=False)
        self._told.set()
        self._told = asyncio.Event()

    def get(self, address: WorkerAddress) -> str:
        """The reason, empty if none has been told."""
        return self._reasons.get(address, "")

    async def wait(self, address: WorkerAddress, timeout_s: float) -> str:
        """Return the reason, waiting for it if need be; empty if none was told in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.get(address):
                    await self._told.wait()
        return self.get(address)


class Observer:
    """Hears everyone."""

    def __init__(self, first_beats_s: float = FIRST_BEATS_S) -> None:
        self._clock = asyncio.get_running_loop().time
        self._on_news: list[Callable[[], None]] = []
        self._subscriptions: list[Subscription] = []
        self.fleet = Fleet()
        self.gateways = Gateways(self._clock, first_beats_s)
        self.offered = Offered()
        self.demand = Demand()
        self.health = Health()
        self.failures = Failures()

    def __repr__(self) -> str:
        return f"<Observer {self.fleet!r} {self.gateways!r}>"

    def on_news(self, callback: Callable[[], None]) -> None:
        """Call `callback` when an instance is new or in another state."""
        self._on_news.append(callback)

    async def start(self, bus: Bus) -> None:
        """Listen; the broker has seen it when this returns."""
        for subject, hear in (
            (subjects.WORKER_HEARTBEATS, self._hear_worker),
            (subjects.GATEWAY_HEARTBEATS, self._hear_gateway),
        ):
            self._subscriptions.append(await bus.subscribe(subject, hear))
        await bus.flush()
        bus.on_reconnect(self._note_connected)

    async def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            await subscription.unsubscribe()

    def signals(
        self, endpoint: str, deployment: str, lanes: dict[str, int] | None
    ) -> dict[str, Any]:
        """What is known of a deployment's load beside its queue, as fields of an `Observation`.

        `lanes`: requests by lane, None if they are not known.
        """
        now_s = self._clock()
        fresh = self.fleet.fresh(endpoint, deployment, now_s)
        ready = self.fleet.ready(endpoint, deployment, now_s)
        startup_s = self.fleet.startup_s(endpoint, deployment)
        signals = heard_signals(fresh, self.offered.grown(now_s), f"{endpoint}/{deployment}")
        if lanes is not None:
            signals["wait_s"] = expected_wait_s(lanes, ready, startup_s)
        return signals | {"startup_s": startup_s}

    def expire(self) -> None:
        """Forget who has been silent for long."""
        self.fleet.expire(self._clock())
        self.health.expire(self._clock())
        self.gateways.expire()
        self.offered.retain(self.gateways.known())

    async def _note_connected(self) -> None:
        self.fleet.note_connected(self._clock())
        self.gateways.note_connected()

    async def _hear_worker(self, message: Message) -> None:
        said = wire.decode(message.data, WorkerHeartbeat)
        if said is None:
            return
        if said.state == "failed" and said.reason:
            address = WorkerAddress(said.endpoint, said.deployment, said.instance)
            self.failures.note(address, said.reason)
        self.health.hear(said, self._clock())
        if self.fleet.hear(said, self._clock()):
            for callback in self._on_news:
                callback()

    async def _hear_gateway(self, message: Message) -> None:
        said = wire.decode(message.data, GatewayHeartbeat)
        if said is not None:
            self.gateways.hear(said)
            self.offered.hear(said, self._clock())
            self.demand.hear(said, time.time())
