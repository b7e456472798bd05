"""Runners that are asked at intervals whether they live and are ready.

Each runner has its probes to itself: one that does not live is stopped, and the pool starts another
one; one that is not ready is handed nothing. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import msgspec

from mesh.errors import BootError
from mesh.spec.runtime import Probe
from mesh.wire import LogLine
from workers.exchange import Callbacks, Exit
from workers.probe import QUESTIONS, Kind, Probes, Streak, next_at_s
from workers.runtime import Runner, Runtime


class ProbedRuntime(msgspec.Struct, frozen=True):
    """A runtime whose runners are probed. Implements `workers.runtime.Runtime`."""

    runtime: Runtime
    probes: Probes

    @property
    def count(self) -> int:
        """How many runners serve as one."""
        return self.runtime.count

    def start(self, callbacks: Callbacks) -> ProbedRunner:
        """Start a runner.

        Raises:
            BootError: it cannot be started.
        """
        return ProbedRunner(self.runtime, self.probes, callbacks)


class ProbedRunner:
    """A runner that serves while its probes say so, from their first success on."""

    def __init__(self, runtime: Runtime, probes: Probes, callbacks: Callbacks) -> None:
        self._told = callbacks
        self._probes = probes
        self._loop = asyncio.get_running_loop()
        self._started_s = self._loop.time()
        self._has_booted = self._is_ready = False
        self._stopped_for = self.unready = ""
        self._runner: Runner = runtime.start(callbacks._replace(on_exit=self._on_exit))
        self.submit, self.cancel = self._runner.submit, self._runner.cancel
        self.pause, self.resume = self._runner.pause, self._runner.resume
        self.sweep, self.ping = self._runner.sweep, self._runner.ping
        self._up = asyncio.Event()  # the startup probe has succeeded, if there is one
        self._first = asyncio.Event()  # the readiness probe has, or the runner has ended
        self._probing = [
            self._loop.create_task(step)
            for step in (self._start_up(), self._watch_life(), self._watch_readiness())
        ]

    def __repr__(self) -> str:
        return f"<ProbedRunner ready={self.is_ready} {self._runner!r}>"

    @property
    def is_ready(self) -> bool:
        """Whether it serves."""
        return self._is_ready and self._has_booted and self._runner.is_ready

    @property
    def is_busy(self) -> bool:
        """Whether a request keeps it that has time left to run."""
        return self._runner.is_busy

    @property
    def pids(self) -> Sequence[int]:
        """Its processes on this host."""
        return self._runner.pids

    @property
    def outstanding(self) -> int:
        """How many requests it has been handed and not ended."""
        return self._runner.outstanding

    @property
    def room(self) -> bool:
        """Whether to hand it another request now."""
        return self.is_ready and self._runner.room

    async def ready(self) -> None:
        """Wait until it has booted and its probes have succeeded.

        Raises:
            BootError: it has not; the message is the model's own words, or which probe failed.
        """
        await self._runner.ready()
        await self._first.wait()
        if not self._is_ready:
            reason = self._stopped_for or "it ended before its probes had succeeded"
            raise BootError(reason, is_said=bool(self._stopped_for))
        self._has_booted = True
        self._told.on_room()

    def stop(self, reason: str) -> None:
        """End it at once; `on_exit` follows."""
        self._stopped_for = reason
        self._told.on_log(LogLine(at_s=time.time(), stream="worker", text=f"stopped: {reason}"))
        self._runner.stop(reason)

    async def close(self, grace_s: float) -> None:
        """Let it finish what it was handed, for `grace_s` seconds; afterwards nothing is left."""
        self._end_probing()
        await self._runner.close(grace_s)

    async def _start_up(self) -> None:
        if (probe := self._probes.startup) is not None:
            async for streak in self._streak("startup", probe):
                if streak.is_good:
                    break
                if streak.is_bad:
                    self.stop(f"the startup probe {streak.text}")
                    return
        self._up.set()

    async def _watch_life(self) -> None:
        await self._up.wait()
        if (probe := self._probes.liveness) is not None:
            async for streak in self._streak("liveness", probe):
                if streak.is_bad:
                    self.stop(f"the liveness probe {streak.text}")
                    return

    async def _watch_readiness(self) -> None:
        await self._up.wait()
        if (probe := self._probes.readiness) is None:
            self._become_ready("")
            return
        async for streak in self._streak("readiness", probe):
            if streak.is_bad and not self._first.is_set():
                self.stop(f"the readiness probe {streak.text} before it had ever succeeded")
                return
            if streak.is_bad and self._is_ready:
                self._become_ready(f"the readiness probe {streak.text}")
            elif streak.is_good and not self._is_ready:
                self._become_ready("")

    def _become_ready(self, unready: str) -> None:
        """It is ready now, or is not any more for this reason."""
        self.unready, self._is_ready = unready, not unready
        self._first.set()
        if self._has_booted:
            self._told.on_room()

    async def _streak(self, kind: Kind, probe: Probe) -> AsyncIterator[Streak]:
        """Probe for ever, and tell after each answer how it stands."""
        streak = Streak(probe)
        at_s = self._started_s + probe.initial_delay
        while True:
            await asyncio.sleep(at_s - self._loop.time())
            began_s = self._loop.time()
            streak.note(is_success=await self._ask(kind, probe))
            yield streak
            at_s = next_at_s(probe, began_s, self._loop.time())

    async def _ask(self, kind: Kind, probe: Probe) -> bool:
        try:
            async with asyncio.timeout(probe.timeout):
                return await self._runner.ping(QUESTIONS[kind])
        except TimeoutError:
            return self._runner.is_busy

    def _on_exit(self, exit_: Exit) -> None:
        self._is_ready = False
        self._end_probing()
        self._first.set()
        self._told.on_exit(exit_)

    def _end_probing(self) -> None:
        for task in self._probing:
            task.cancel()
