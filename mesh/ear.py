"""Hearing that something came on a subject, whatever it is. Ring: adapter."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from mesh.bus import Bus, Message, Subscription
from mesh.errors import BusError


class Ear:
    """Sets `heard` at each message on the subjects it listens to, until it is closed."""

    def __init__(self, bus: Bus) -> None:
        self.heard = asyncio.Event()
        self._bus = bus
        self._subscriptions: list[Subscription] = []

    def __repr__(self) -> str:
        return f"<Ear on {len(self._subscriptions)} subjects>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for subscription in self._subscriptions:
            with contextlib.suppress(BusError):
                await self._bus.leave(subscription)

    async def listen(self, subject: str) -> None:
        """Miss nothing that comes from now on.

        Raises:
            BusError: the broker does not say that it listens.
        """
        self._subscriptions.append(await self._bus.subscribe(subject, self._take))
        await self._bus.flush()

    async def _take(self, message: Message) -> None:
        self.heard.set()
