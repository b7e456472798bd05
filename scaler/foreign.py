"""Instances that this scaler's launcher does not know: started by hand, or by a scaler elsewhere.

They are known by their heartbeats alone, and asked to stop by a message. Ring: adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from mesh import subjects
from mesh.bus import Bus
from mesh.errors import BusError
from mesh.events import Events
from mesh.subjects import WorkerAddress
from scaler.fleet import FRESH_S, Beat, Fleet
from scaler.situation import Instance

LOST_S: Final = 5.0  # without a heartbeat: its host is gone, or it is
ASK_AGAIN_S: Final = 1.0  # a message may get lost, or come before who should hear it

Found = tuple[WorkerAddress, Instance]


class Expected(NamedTuple):
    """An instance that an earlier leader was about to start: it may not have spoken yet."""

    generation: int
    until_s: float


class _Asked(NamedTuple):
    first_s: float
    last_s: float


class Foreign:
    """Counts them as long as they speak, tells of their coming and going, and drains them."""

    def __init__(self, bus: Bus, fleet: Fleet, expected: Mapping[WorkerAddress, Expected]) -> None:
        self._bus = bus
        self._fleet = fleet
        self._expected = dict(expected)
        self._events = Events(bus)
        self._asked: dict[WorkerAddress, _Asked] = {}
        self._known: dict[WorkerAddress, Instance] = {}
        self._clock = asyncio.get_running_loop().time

    def __repr__(self) -> str:
        return f"<Foreign instances={len(self._known)} asked={len(self._asked)}>"

    def count(self, endpoint: str, deployment: str) -> int:
        """How many instances of a deployment there are."""
        return sum(address[:2] == (endpoint, deployment) for address in self._known)

    async def look(self, own: Collection[WorkerAddress]) -> list[Found]:
        """Return every instance that speaks, or may be about to, and is not one of `own`."""
        now_s = self._clock()
        found = dict(self._speaking(own, now_s))
        await self._tell_news(found, own)
        self._known = found
        self._asked = {one: when for one, when in self._asked.items() if one in found}
        return [*found.items(), *self._silent(own, now_s)]

    async def drain(self, address: WorkerAddress, reason: str) -> None:
        """Ask an instance to finish what it has and exit; told once, asked until it does."""
        now_s, asked = self._clock(), self._asked.get(address)
        instance = self._known.get(address)
        if instance is None or (asked is not None and now_s - asked.last_s < ASK_AGAIN_S):
            return
        try:
            await self._bus.publish(subjects.drain(address), reason.encode())
        except BusError:
            return  # asked at the next look
        self._asked[address] = _Asked(asked.first_s if asked else now_s, now_s)
        if asked is None:
            await self._tell("Killing", address, instance, f"draining: {reason}")

    def _speaking(self, own: Collection[WorkerAddress], now_s: float) -> Iterator[Found]:
        for address, beat, silent_s in self._fleet.heard(now_s):
            if address not in own and silent_s <= LOST_S and _has_a_place(beat, silent_s):
                yield address, self._instance(address, beat, silent_s, now_s)

    def _silent(self, own: Collection[WorkerAddress], now_s: float) -> Iterator[Found]:
        """Those an earlier leader was about to start: until they speak, or have had the time to."""
        for address, (generation, until_s) in list(self._expected.items()):
            if now_s >= until_s or address in own or self._fleet.get(address) is not None:
                del self._expected[address]
                continue
            name = address.instance
            yield address, Instance(instance=name, generation=generation, phase="starting")

    def _instance(
        self, address: WorkerAddress, beat: Beat, silent_s: float, now_s: float
    ) -> Instance:
        phase, since_s = beat.said.state, beat.since_s
        asked = self._asked.get(address)
        if asked is not None and phase != "draining":
            phase, since_s = "draining", asked.first_s
        return Instance(
            instance=address.instance,
            generation=beat.said.generation,
            phase="silent" if silent_s > FRESH_S else phase,
            in_flight=beat.said.in_flight,
            for_s=max(0.0, now_s - since_s),
            reason=beat.said.reason,
            by_hand=beat.said.by_hand,
        )

    async def _tell_news(
        self, found: Mapping[WorkerAddress, Instance], own: Collection[WorkerAddress]
    ) -> None:
        for address in found.keys() - self._known.keys():
            beat = self._fleet.get(address)
            host = beat.said.host if beat is not None else ""
            how = "by hand" if found[address].by_hand else "by another scaler"
            await self._tell("Joined", address, found[address], f"started {how} on {host or '?'}")
        for address in self._known.keys() - found.keys() - set(own):
            if self._known[address].phase == "silent":
                text = f"no heartbeat for {LOST_S:g} s"
                await self._tell("Lost", address, self._known[address], text)

    async def _tell(self, name: str, address: WorkerAddress, instance: Instance, text: str) -> None:
        endpoint, deployment, who = address
        await self._events.tell(
            name, endpoint, deployment, text, generation=instance.generation, instance=who
        )


def _has_a_place(beat: Beat, silent_s: float) -> bool:
    """Tell whether it counts: one started by hand once it serves, one that ends until it is gone.

    A person's instance would otherwise be surplus, and stopped, before it could take a place.
    """
    state = beat.said.state
    if state == "failed" or (state == "draining" and silent_s > FRESH_S):
        return False
    return not (beat.said.by_hand and state == "starting")
