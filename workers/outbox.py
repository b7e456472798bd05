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
from mesh.streams import consumer_info

log = logging.getLogger("workers.outbox")

SETTLE_S: Final = 0.3


class Letter(NamedTuple):
    """One publish; `keep_until_s` (monotonic) is when it has lost its meaning."""

    subject: str
    body: bytes
    fields: str
    keep_until_s: float


class Outbox:
    """Publishes at once while the broker is there, and in order once it is back for everybody.

    A broker that has just restarted takes an acknowledgement before the queue it belongs to is
    there, and an answer before its gateway has come back: both would be lost.
    """

    def __init__(self, bus: Bus, stream: str) -> None:
        self._outlet = Outlet(bus)
        self._bus = bus
        self._stream = stream
        self._kept: deque[Letter] = deque()
        self._is_holding = False
        self._loop = asyncio.get_running_loop()
        bus.on_away(self._hold)
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
        if not self._kept and not self._is_holding:
            try:
                self._outlet.post(subject, body, "", fields)
            except BusError:
                log.debug("outbox.kept subject=%s", subject)
            else:
                return
        self._kept.append(Letter(subject, body, fields, keep_until_s))

    def _hold(self) -> None:
        self._is_holding = True

    async def _send_kept(self) -> None:
        is_away = True
        while is_away:
            await asyncio.sleep(SETTLE_S)  # gateways come back meanwhile; nothing tells us when
            is_away = await self._is_queue_away()
        self._is_holding = False
        self.retry()

    async def _is_queue_away(self) -> bool:
        try:
            return await consumer_info(self._bus, self._stream, "interactive", SETTLE_S) is None
        except BusError:
            return True

    def retry(self) -> None:
        """Send what is kept, in order, as far as the broker takes it; call now and then."""
        now_s = self._loop.time()
        while self._kept and not self._is_holding:
            letter = self._kept[0]
            if letter.keep_until_s > now_s:
                try:
                    self._outlet.post(letter.subject, letter.body, "", letter.fields)
                except BusError:
                    return
            self._kept.popleft()

    async def drained(self) -> None:
        """Wait until the broker has seen everything it can."""
        self._is_holding = False
        self.retry()
        if self._bus.is_connected:
            await self._bus.flush()
