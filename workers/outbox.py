"""What the worker says to the broker about requests: answers first, then acknowledgements.

Callers are sync and never wait; one task sends in order. While the broker is away nothing is
dropped that somebody may still wait for: answers given before a reconnect are valid after it.
Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final, NamedTuple

from mesh.bus import Bus
from mesh.errors import BusError, PayloadTooLargeError

log = logging.getLogger("workers.outbox")

ACK: Final = b"+ACK"
NAK: Final = b"-NAK"
IN_PROGRESS: Final = b"+WPI"


class Letter(NamedTuple):
    """One publish; `keep_until_s` (monotonic) is when it has lost its meaning."""

    subject: str
    body: bytes
    headers: dict[str, str] | None
    keep_until_s: float


class Outbox:
    """An ordered queue of publishes and the task that empties it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._letters: deque[Letter] = deque()
        self._filled = asyncio.Event()
        self._connected = asyncio.Event()
        self._connected.set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._loop = asyncio.get_running_loop()
        bus.on_reconnect(self._note_reconnect)

    def __repr__(self) -> str:
        return f"<Outbox letters={len(self._letters)}>"

    def __len__(self) -> int:
        return len(self._letters)

    def send(
        self,
        subject: str,
        body: bytes,
        *,
        headers: dict[str, str] | None = None,
        keep_until_s: float = 0.0,
    ) -> None:
        """Queue one publish; it is tried once, and again after reconnects until `keep_until_s`."""
        self._letters.append(Letter(subject, body, headers, keep_until_s))
        self._filled.set()
        self._empty.clear()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._filled.wait()
            while self._letters:
                letter = self._letters[0]
                try:
                    await self._bus.publish(letter.subject, letter.body, headers=letter.headers)
                except PayloadTooLargeError:
                    log.exception("outbox.too_large subject=%s", letter.subject)
                except BusError:
                    if await self._await_connection(letter):
                        continue
                self._letters.popleft()
            self._filled.clear()
            self._empty.set()

    async def _await_connection(self, letter: Letter) -> bool:
        """Wait for the broker as long as the letter matters; False if it no longer does."""
        self._connected.clear()
        if self._bus.is_connected:
            return True
        try:
            async with asyncio.timeout_at(letter.keep_until_s):
                await self._connected.wait()
        except TimeoutError:
            return False
        return True

    async def _note_reconnect(self) -> None:
        self._connected.set()

    async def drained(self) -> None:
        """Wait until all is sent and the broker has seen it."""
        await self._empty.wait()
        await self._bus.flush()
