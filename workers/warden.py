"""Acts on what is known of an instance: lets it pull, slows it down, stops it, and says so.

Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, NamedTuple

from mesh import subjects, wire
from mesh.bus import Message
from mesh.events import Events
from mesh.instances import InstanceState
from mesh.wire import Depth
from workers.beat import Heart
from workers.conduct import Conduct, Record
from workers.consume import Consumer
from workers.instance import Instance

log = logging.getLogger("workers.warden")

TOLD: Final[dict[InstanceState, str]] = {
    "probation": "Probation",
    "ready": "Ready",
    "suspect": "Suspect",
    "unready": "Unready",
}


class Standing(NamedTuple):
    """What an instance is, why, and whether it pulls."""

    state: InstanceState
    reason: str
    pulls: bool


class Warden:
    """Watches one instance from its boot on. `unready` says why its readiness probe fails."""

    def __init__(self, instance: Instance, consumer: Consumer, heart: Heart) -> None:
        self._instance = instance
        self._consumer = consumer
        self._heart = heart
        self._loop = asyncio.get_running_loop()
        self._conduct = Conduct(
            instance.address.instance, instance.record.generation, self._loop.time()
        )
        self._news = asyncio.Event()
        self._applied: Standing | None = None
        self._is_open = False
        self.unready = ""

    def __repr__(self) -> str:
        return f"<Warden {self._conduct!r}>"

    async def listen(self) -> None:
        """Hear of the others, from the start on: what they do is known when we serve."""
        address = self._instance.address
        subject = subjects.depth(address.endpoint, address.deployment)
        await self._instance.bus.subscribe(subject, self._hear)

    async def _hear(self, message: Message) -> None:
        if (depth := wire.decode(message.data, Depth)) is not None:
            self._conduct.hear(depth, self._loop.time())

    async def run(self) -> None:
        """Let it pull, as far as it may, for ever."""
        self._conduct.begin(self._total, self._loop.time())
        self._consumer.on_answer = self.look
        self._limit()
        self.look(self._loop.time())
        while True:
            await self._apply()
            await self._news.wait()
            self._news.clear()

    def look(self, now_s: float) -> None:
        """Judge it; sync, so that what is decided holds before the next request begins."""
        is_busy = bool(self._consumer.desk.running)
        has_changed = self._conduct.judge(self._total, is_busy=is_busy, now_s=now_s)
        standing = self._standing
        if not standing.pulls:
            self._consumer.halt()  # before more slots would have more begin
        if has_changed:
            self._limit()
        if standing != self._applied:
            self._news.set()

    @property
    def _total(self) -> Record:
        tally = self._consumer.tally
        return Record(tally.answered, tally.failed)

    @property
    def _standing(self) -> Standing:
        conduct = self._conduct
        if conduct.verdict == "suspect":
            return Standing("suspect", conduct.reason, pulls=False)
        if self.unready:
            return Standing("unready", self.unready, pulls=False)
        if conduct.verdict == "held":
            return Standing("unready", "it fails far more often than its siblings", pulls=False)
        if conduct.verdict == "alone":  # the next scaler must not take it for proven
            return Standing("probation", "", pulls=True)
        if conduct.verdict == "probation":
            state: InstanceState = "probation" if conduct.has_heard else "starting"
            return Standing(state, "", pulls=not conduct.is_full(self._total))
        return Standing("ready", "", pulls=True)

    def _limit(self) -> None:
        is_on_probation = self._conduct.verdict == "probation"
        slots = 1 if is_on_probation else self._instance.record.spec.slots
        self._consumer.limit(slots, is_on_probation=is_on_probation)

    async def _apply(self) -> None:
        """Make it so, and tell. What changes meanwhile is news."""
        self._applied = standing = self._standing
        if standing.pulls and not self._is_open:
            self._is_open = True
            await self._consumer.intake.open()
        if self._standing.pulls:
            self._consumer.release()
        if (standing.state, standing.reason) != (self._heart.state, self._heart.reason):
            await self._heart.become(standing.state, standing.reason)
            if standing.state in TOLD:
                await self._tell(standing)
        if self._is_open and not standing.pulls:
            self._is_open = False
            await self._consumer.stop_pulling()

    async def _tell(self, standing: Standing) -> None:
        endpoint, deployment, instance = self._instance.address
        await Events(self._instance.bus).tell(
            TOLD[standing.state],
            endpoint,
            deployment,
            standing.reason,
            generation=self._instance.record.generation,
            instance=instance,
        )
