"""What is learnt from the ends of instances: crashes by generation. Ring: service."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Final

from mesh.events import Events
from mesh.subjects import WorkerAddress
from mesh.tasks import end
from scaler.crashes import Crashes, Ending, Pace
from scaler.endings import ending, may_be_boot_failure
from scaler.launchers import Ended, Running
from scaler.observe import Observer
from scaler.situation import Instance
from scaler.states import Address, States

log = logging.getLogger("scaler.memory")

REASON_WAIT_S: Final = 1.0


class Memory:
    """Remembers crashes. An instance whose reason is not known yet still holds its place."""

    def __init__(self, observer: Observer, states: States, events: Events, pace: Pace) -> None:
        self._observer = observer
        self._states = states
        self._events = events
        self._pace = pace
        self._clock = asyncio.get_running_loop().time
        self._ending: dict[WorkerAddress, Running] = {}
        self._crashes: defaultdict[Address, dict[int, Crashes]] = defaultdict(dict)
        self._suspects: set[WorkerAddress] = set()
        self._steps: set[asyncio.Task[None]] = set()
        self._on_news: list[Callable[[], None]] = []
        self.crashed: Counter[Address] = Counter()

    def __repr__(self) -> str:
        return f"<Memory ending={len(self._ending)} deployments={len(self._crashes)}>"

    def on_news(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a place has become free."""
        self._on_news.append(callback)

    def crashes(self, address: Address) -> dict[int, Crashes]:
        """The crashes of a deployment by generation."""
        return dict(self._crashes.get(address, {}))

    def ending(self) -> list[tuple[WorkerAddress, Instance]]:
        """The instances that have ended and still hold their place."""
        return [
            (
                address,
                Instance(instance=address.instance, generation=running.generation, phase="ending"),
            )
            for address, running in self._ending.items()
        ]

    def forget(self, address: Address) -> None:
        """Drop a deployment that was deleted."""
        self._crashes.pop(address, None)
        self._suspects = {one for one in self._suspects if one[:2] != address}
        del self.crashed[address]

    def note_ended(self, ended: Ended) -> None:
        """Take note of a process's end."""
        self._ending[ended.running.address] = ended.running
        task = asyncio.create_task(self._learn_from(ended))
        self._steps.add(task)
        task.add_done_callback(self._steps.discard)

    def note_out_of_memory(self, running: Running) -> None:
        """Tell that a process of an instance was killed for its memory."""
        endpoint, name, instance = running.address
        telling = self._events.tell(
            *("OutOfMemory", endpoint, name, running.trouble),
            generation=running.generation,
            instance=instance,
        )
        task = asyncio.create_task(telling)
        self._steps.add(task)
        task.add_done_callback(self._steps.discard)

    async def note_failed_launch(
        self, address: WorkerAddress, generation: int, why: str, *, no_room: bool = False
    ) -> None:
        """Count a process that could not even be started as a crash."""
        await self._add(address, generation, Ending(reason=why, no_room=no_room))

    async def note_suspect(self, address: WorkerAddress, generation: int, why: str) -> None:
        """Count an instance that has stopped pulling by itself as a crash, once."""
        if address in self._suspects:
            return
        self._suspects.add(address)
        beat, now_s = self._observer.fleet.get(address), self._clock()
        ready_at_s = beat.ready_at_s if beat is not None else None
        lesson = Ending(
            reason=f"instance {address.instance} was suspect: {why}",
            ready_for_s=now_s - ready_at_s if ready_at_s is not None else 0.0,
        )
        await self._add(address, generation, lesson)

    async def close(self) -> None:
        """Stop waiting for reasons."""
        await end(self._steps)

    async def _learn_from(self, ended: Ended) -> None:
        address = ended.running.address
        beat = self._observer.fleet.get(address)
        told = self._observer.failures.get(address)
        if may_be_boot_failure(ended) and not told and not _was_asked(ended):
            # The process's end and its last message come by different ways, in either order.
            told = await self._observer.failures.wait(address, REASON_WAIT_S)
            beat = self._observer.fleet.get(address)
        lesson = ending(ended, beat, told, self._clock())
        if lesson is not None:
            await self._add(address, ended.running.generation, lesson)
        self._observer.fleet.forget(address, self._clock())
        del self._ending[address]
        for callback in self._on_news:
            callback()

    async def _add(self, address: WorkerAddress, generation: int, lesson: Ending) -> None:
        endpoint, name, instance = address
        served = self._states.get(endpoint, name).serving == generation
        before = self._crashes[endpoint, name].get(generation, Crashes())
        after = before.after(lesson, self._clock(), has_served=served, pace=self._pace)
        self._crashes[endpoint, name][generation] = after
        self.crashed[endpoint, name] += 1
        await self._events.tell(
            "BackOff", endpoint, name, lesson.reason, generation=generation, instance=instance
        )


def _was_asked(ended: Ended) -> bool:
    return ended.running.draining_since_s is not None
