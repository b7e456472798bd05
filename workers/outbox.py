"""What the worker says to the broker about requests: answers first, then acknowledgements.

Callers are sync and never wait. While the broker is away nothing is dropped that somebody may
still wait for: answers and acknowledgements given before a reconnect are valid after it (measured).
Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final, NamedTuple

from mesh.bus import Bus, Outlet
from mesh.errors import BusError

log = logging.getLogger("workers.outbox")

ACK: Final = b"+ACK"
NAK: Final = b"-NAK"
IN_PROGRESS: Final = b"+WPI"


class Letter(NamedTuple):
    """One publish; `keep_until_s` (monotonic) is when it has lost its meaning."""

    subject: str
    body: bytes
    fields: str
    keep_until_s: float


class Outbox:
    """Publishes at once while the broker is there, and in order once it is back."""

    def __init__(self, bus: Bus) -> None:
        self._outlet = Outlet(bus)
        self._bus = bus
        self._kept: deque[Letter] = deque()
        self._loop = asyncio.get_running_loop()
        bus.on_reconnect(self._send_kept)

    def __repr__(self) -> str:
        return f"<Outbox kept={len(self._kept)}>"

    def __len__(self) -> int:
        return len(self._kept)

    def send(
        self, subject: str, body: bytes, fields: str = "", *, keep_until_s: float = 0.0
    ) -> None:
        """Publish now, or once the broker is back unless that is after `keep_until_s`.

        `fields` are header lines, each ended by CRLF; they and the subject must be clean.
        """
        if not self._kept:
            try:
                self._outlet.post(subject, body, "", fields)
            except BusError:
                log.debug("outbox.kept subject=%s", subject)
            else:
                return
        self._kept.append(Letter(subject, body, fields, keep_until_s))

    async def _send_kept(self) -> None:
        self.retry()

    def retry(self) -> None:
        """Send what is kept, in order, as far as the broker takes it; call now and then."""
        now_s = self._loop.time()
        while self._kept:
            letter = self._kept[0]
            if letter.keep_until_s > now_s:
                try:
                    self._outlet.post(letter.subject, letter.body, "", letter.fields)
                except BusError:
                    return
            self._kept.popleft()

    async def drained(self) -> None:
        """Wait until the broker has seen everything."""
        self.retry()
        if self._bus.is_connected:
            await self._bus.flush()
