"""Answers to direct producers, held while the broker is away: at most until nobody waits for them.

Callers are sync and never wait. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final, NamedTuple

from mesh.bus import Bus, Outlet
from mesh.errors import BusError

log = logging.getLogger("gateway.answers")

SETTLE_S: Final = 0.3
RETRY_S: Final = 0.1


class Letter(NamedTuple):
    """One answer; `due_s` (of the loop's clock) is when its producer waits no longer."""

    reply: str
    body: bytes
    fields: str
    due_s: float


class Answers:
    """Publishes at once while the broker is there, and in order once it is back for producers."""

    def __init__(self, bus: Bus, outlet: Outlet) -> None:
        self._outlet = outlet
        self._kept: deque[Letter] = deque()
        self._is_away = False
        self._retrying: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        bus.on_away(self._hold)
        bus.on_reconnect(self._send_kept)

    def __repr__(self) -> str:
        return f"<Answers kept={len(self._kept)}>"

    def __len__(self) -> int:
        return len(self._kept)

    def send(self, letter: Letter) -> None:
        """Publish now, or once the broker takes it unless that is after its time.

        The reply subject and the fields must be clean: nothing is checked here.
        """
        if not (self._kept or self._is_away) and self._post(letter):
            return
        self._kept.append(letter)
        self._retry_soon()

    def close(self) -> None:
        """Send what the broker takes now, and try no more."""
        self._is_away = False
        self._send()
        if self._retrying is not None:
            self._retrying.cancel()

    def _hold(self) -> None:
        self._is_away = True

    async def _send_kept(self) -> None:
        await asyncio.sleep(SETTLE_S)  # producers come back meanwhile; nothing tells us when
        self._is_away = False
        self._send()

    def _retry(self) -> None:
        self._retrying = None
        self._send()

    def _send(self) -> None:
        now_s = self._loop.time()
        while self._kept and self._kept[0].due_s <= now_s:
            self._kept.popleft()
        while self._kept and not self._is_away:
            letter = self._kept[0]
            if letter.due_s > now_s and not self._post(letter):
                break
            self._kept.popleft()
        self._retry_soon()

    def _retry_soon(self) -> None:
        if self._kept and self._retrying is None:
            self._retrying = self._loop.call_later(RETRY_S, self._retry)

    def _post(self, letter: Letter) -> bool:
        try:
            self._outlet.post(letter.reply, letter.body, "", letter.fields)
        except BusError:
            log.debug("answers.kept reply=%s", letter.reply)
            return False
        return True
