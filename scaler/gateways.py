"""Which gateways live and how far each has come with the config. Ring: adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from mesh.tasks import wait_for
from mesh.wire import GatewayHeartbeat

LIVE_S: Final = 3.0
FORGET_S: Final = 60.0
# Who lives tells so within a second; before that an empty list means nothing.
FIRST_BEATS_S: Final = 1.5


class Gateways:
    """The gateways that have spoken lately."""

    def __init__(self, clock: Callable[[], float], first_beats_s: float = FIRST_BEATS_S) -> None:
        self._clock = clock
        self._first_beats_s = first_beats_s
        self._beats: dict[str, tuple[GatewayHeartbeat, float]] = {}
        self._listening_s = clock()
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Gateways live={len(self.live())}>"

    def hear(self, said: GatewayHeartbeat) -> None:
        """Note a heartbeat."""
        if said.leaving:
            self._beats.pop(said.gateway, None)
        else:
            self._beats[said.gateway] = said, self._clock()
        self._changed.set()
        self._changed = asyncio.Event()

    def note_connected(self) -> None:
        """Listen anew: those known before are taken to live until they have had time to speak."""
        now_s = self._listening_s = self._clock()
        self._beats = {name: (said, now_s) for name, (said, _) in self._beats.items()}

    def live(self) -> list[GatewayHeartbeat]:
        """The gateways that spoke within 3 s and are not leaving, by address."""
        now_s = self._clock()
        found = [said for said, at_s in self._beats.values() if now_s - at_s <= LIVE_S]
        return sorted(found, key=lambda said: said.url)

    def known(self) -> list[str]:
        """The names of those who spoke within the last minute."""
        return list(self._beats)

    def expire(self) -> None:
        """Drop who has been silent for a minute."""
        now_s = self._clock()
        for name, (_, at_s) in list(self._beats.items()):
            if now_s - at_s > FORGET_S:
                del self._beats[name]

    def behind(self, revision: int) -> list[str]:
        """The live gateways that have not applied `revision`."""
        return [said.gateway for said in self.live() if said.revision < revision]

    def is_settled(self) -> bool:
        """Tell whether everyone who lives has had time to speak since we began to listen."""
        return self._clock() - self._listening_s >= self._first_beats_s

    async def settled(self) -> None:
        """Wait until everyone who lives has had time to speak."""
        while not self.is_settled():
            await wait_for(self._changed, self._listening_s + self._first_beats_s - self._clock())

    async def caught_up(self, revision: int, timeout_s: float) -> list[str]:
        """Wait until every live gateway has applied `revision`; return those that have not."""
        deadline_s = self._clock() + timeout_s
        while (behind := self.behind(revision)) or not self.is_settled():
            now_s = self._clock()
            if now_s >= deadline_s:
                return behind
            wait_s = min(deadline_s, self._next_change_s(behind)) - now_s
            await wait_for(self._changed, max(wait_s, 0.001))
        return []

    def _next_change_s(self, behind: list[str]) -> float:
        """When, if nobody speaks, the answer could change: one of them counts as gone then."""
        if not behind:
            return self._listening_s + self._first_beats_s
        return min(self._beats[name][1] + LIVE_S for name in behind)
