"""Hearing of demand from the gateways: the queue is measured at once, and what follows decided.

Ring: service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mesh import subjects
from mesh.bus import Bus, Message, Subscription
from mesh.tasks import end
from scaler.states import Address

Look = Callable[[str, str], Awaitable[None]]


class Demands:
    """Has `look` measure the queue of each deployment that a gateway tells of, one at a time."""

    def __init__(self, bus: Bus, look: Look) -> None:
        self._bus = bus
        self._look = look
        self._looks: dict[Address, asyncio.Task[None]] = {}
        self._subscription: Subscription | None = None
        self.heard = 0

    def __repr__(self) -> str:
        return f"<Demands heard={self.heard} looking={len(self._looks)}>"

    async def start(self) -> None:
        """Listen."""
        self._subscription = await self._bus.subscribe(subjects.DEMANDS, self._hear)

    async def close(self) -> None:
        """Stop listening."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        await end(self._looks.values())

    async def _hear(self, message: Message) -> None:
        self.heard += 1
        address = subjects.demand_owner(message.subject)
        if address not in self._looks:
            task = asyncio.ensure_future(self._look(*address))
            self._looks[address] = task
            task.add_done_callback(lambda _: self._looks.pop(address, None))
