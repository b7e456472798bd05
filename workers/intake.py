"""What comes in: how much the broker may send this instance now, and whether it may at all.

Ring: service.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from mesh.clock import BrokerClock
from mesh.errors import BusError
from mesh.subjects import Lane
from workers.desk import Desk
from workers.instance import Instance
from workers.policy import LOWER_LANES, interactive_batch, lower_batch, prefetch
from workers.pull import Delivery, Puller
from workers.tally import WorkerTally

HOLD_ROUND_TRIPS: Final = 4


class Intake:
    """Keeps the credit of one instance right while it is open.

    With `one_by_one` nothing is asked for while a request is in hand.
    """

    def __init__(
        self,
        instance: Instance,
        desk: Desk,
        tally: WorkerTally,
        clock: BrokerClock,
        deliver: Callable[[Delivery | None], None],
    ) -> None:
        self._bus = instance.bus
        self._puller = Puller(instance.bus, instance.stream, deliver)
        self._desk = desk
        self._tally = tally
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._demand = asyncio.Event()
        self.is_open = self._was_open = self._will_look = False
        self.one_by_one = False

    def __repr__(self) -> str:
        return f"<Intake open={self.is_open} {self._puller!r}>"

    async def open(self) -> None:
        """Begin to pull, now and after each reconnect."""
        self.is_open = True
        if not self._was_open:
            self._was_open = True
            self._bus.on_reconnect(self._restart)
        with contextlib.suppress(BusError):  # it is away: the reconnect opens it
            await self._restart()

    async def close(self) -> None:
        """Stop to pull; all that was on its way has been delivered when this returns."""
        self.is_open = False
        await self._puller.drain()

    async def _restart(self) -> None:
        if self.is_open:
            await self._puller.start()
            self._demand.set()
        if not self.is_open:  # it was closed meanwhile
            await self._puller.drain()

    async def run(self, is_ready: Callable[[], bool]) -> None:
        """Keep the credit right for ever: at each change of demand, and as time goes by."""
        while True:
            await self._demand.wait()
            self._demand.clear()
            if not is_ready():
                continue
            now_s, load, credit = self._loop.time(), self._desk.load, self._puller.credit
            ahead = prefetch(load.slots, self._clock.round_trip_s, self._tally.service_s)
            batch = interactive_batch(load.free, 0 if self.one_by_one else ahead, self._credit)
            await self._puller.pull("interactive", batch)
            for lane in LOWER_LANES:
                if batch := lower_batch(lane, load, credit, now_s, self._hold_s):
                    load.asked_at_s[lane] = self._loop.time()
                    await self._puller.pull(lane, batch)

    @property
    def _credit(self) -> int:
        return self._puller.credit["interactive"]

    @property
    def _hold_s(self) -> float:
        return HOLD_ROUND_TRIPS * self._clock.round_trip_s

    @property
    def backlog(self) -> dict[Lane, int]:
        """What waited in each lane when a message of it was last delivered."""
        return self._puller.backlog

    def ask(self) -> None:
        """Look at the credit: something has changed."""
        self._demand.set()

    def ask_if_short(self) -> None:
        """Look at the credit if little of it is left, or soon if lower lanes wait."""
        if self._credit <= self._desk.load.slots:
            self._demand.set()
        elif self._puller.is_lower_waiting and not self._will_look:
            self._will_look = True
            self._loop.call_later(self._hold_s, self._look)

    def _look(self) -> None:
        """See whether a slot has been spare for long enough to fill it from a lower lane."""
        self._will_look = False
        self._demand.set()

    def sweep(self) -> None:
        """Forget pulls that were swallowed; call about once a second."""
        self._puller.sweep()
