"""The runners of one instance: who takes the next request, and what happens when one dies.

Requests wait here, not in a runner, so that a free runner takes the next one; each runner is handed
only what hides the way to it. Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from mesh.backoff import backoff_s
from mesh.errors import BootError
from workers.exchange import Callbacks, Exit, Outcome, RunRequest
from workers.runtime import Runner, Runtime

log = logging.getLogger("workers.pool")

FIRST_DELAY_S: Final = 0.5
DELAY_LIMIT_S: Final = 15.0
STABLE_S: Final = 10.0
BOOT_GRACE_S: Final = 1.0
CLIENT_GONE: Final = 499
EXPIRED: Final = 408


def restart_delay_s(crashes: int) -> float:
    """How long to wait before a start, after so many crashes in a row; none after the first."""
    return backoff_s(crashes - 1, FIRST_DELAY_S, DELAY_LIMIT_S) if crashes > 1 else 0.0


def _log_end(keeper: asyncio.Task[None]) -> None:
    if not keeper.cancelled() and (error := keeper.exception()) is not None:
        log.critical("pool.keeper_crashed", exc_info=error)


class Pool:
    """Runners that serve as one, kept alive. Each request ends exactly once.

    `failure` says why the last start failed while some runner is down for it; `boot_failures`
    counts such starts in a row.
    """

    def __init__(self, runtime: Runtime, callbacks: Callbacks) -> None:
        self._runtime = runtime
        self._count = runtime.count
        self._callbacks = callbacks
        self._loop = asyncio.get_running_loop()
        self._runners: list[Runner] = []
        self._waiting: deque[RunRequest] = deque()
        self._keepers: list[asyncio.Task[None]] = []
        self.failure = ""
        self.boot_failures = 0
        self.restarts = 0

    def __repr__(self) -> str:
        return f"<Pool ready={self.ready}/{self._count} outstanding={self.outstanding}>"

    @property
    def ready(self) -> int:
        """How many runners serve now."""
        return sum(runner.is_ready for runner in self._runners)

    @property
    def is_ready(self) -> bool:
        """Whether at least one runner takes requests."""
        return any(runner.is_ready for runner in self._runners)

    @property
    def unready(self) -> str:
        """Why no runner takes requests, though one runs; empty if there is no such reason."""
        reasons = [runner.unready for runner in self._runners if runner.unready]
        return reasons[0] if reasons and not self.is_ready else ""

    @property
    def outstanding(self) -> int:
        """How many requests have been submitted and not ended."""
        return len(self._waiting) + sum(runner.outstanding for runner in self._runners)

    @property
    def pids(self) -> list[int]:
        """The processes of all runners."""
        return [pid for runner in self._runners for pid in runner.pids]

    async def start(self) -> None:
        """Start all runners and wait until each has booted; from then on keep them alive.

        Raises:
            BootError: one did not boot. All are stopped.
        """
        gone = [asyncio.Event() for _ in range(self._count)]
        try:
            for event in gone:
                self._runners.append(self._spawn(event.set))
            await asyncio.gather(*(runner.ready() for runner in self._runners))
        except BaseException:
            await self.close(BOOT_GRACE_S)
            raise
        self._keepers = [
            asyncio.create_task(self._keep(runner, event))
            for runner, event in zip(list(self._runners), gone, strict=True)
        ]
        for keeper in self._keepers:
            keeper.add_done_callback(_log_end)

    def _spawn(self, on_gone: Callable[[], None]) -> Runner:
        def on_exit(exit_: Exit) -> None:
            on_gone()
            self._settle(exit_)

        callbacks = Callbacks(self._on_result, self._callbacks.on_log, on_exit, self._on_room)
        return self._runtime.start(callbacks)

    async def _keep(self, runner: Runner, gone: asyncio.Event) -> None:
        """Keep one runner's place taken: after each end start another, later each time."""
        crashes = 0
        while True:
            ready_s = self._loop.time()
            await gone.wait()
            self._runners.remove(runner)
            crashes = crashes + 1 if self._loop.time() - ready_s < STABLE_S else 1
            runner, gone = await self._replace(crashes)
            self.restarts += 1

    async def _replace(self, crashes: int) -> tuple[Runner, asyncio.Event]:
        while True:
            await asyncio.sleep(restart_delay_s(crashes))
            gone = asyncio.Event()
            try:
                runner = self._spawn(gone.set)
                self._runners.append(runner)
                try:
                    await runner.ready()
                except BootError:
                    await gone.wait()
                    self._runners.remove(runner)
                    raise
            except BootError as exc:
                crashes += 1
                self.boot_failures += 1
                self.failure = exc.message
                log.warning("pool.boot_failed crashes=%d %s", crashes, exc.message[-200:])
                self._callbacks.on_room()
                continue
            self.failure, self.boot_failures = "", 0
            return runner, gone

    def submit(self, request: RunRequest) -> None:
        """Take in a request: hand it to the least loaded runner, or keep it until one has room."""
        runner = None if self._waiting else self._pick()
        if runner is None:
            self._waiting.append(request)
        else:
            runner.submit(request)

    def _pick(self) -> Runner | None:
        picked: Runner | None = None
        for runner in self._runners:
            if runner.room and (picked is None or runner.outstanding < picked.outstanding):
                picked = runner
        return picked

    def _pump(self) -> None:
        waiting = self._waiting
        while waiting and (runner := self._pick()) is not None:
            request = waiting.popleft()
            if request.begin_by_s > self._loop.time():
                runner.submit(request)
            else:
                self._refuse(request.number, EXPIRED)

    def _refuse(self, number: int, status: int) -> None:
        """End a request that never reached a runner; its caller hears of it a little later."""
        is_expired = status == EXPIRED
        said = Outcome(
            number=number, status=status, body=b"", expired=is_expired, cancelled=not is_expired
        )
        self._loop.call_soon(self._callbacks.on_result, said)

    def _on_result(self, outcome: Outcome) -> None:
        if self._waiting and outcome.final:
            self._pump()
        self._callbacks.on_result(outcome)

    def _on_room(self) -> None:
        self._pump()
        self._callbacks.on_room()

    def _settle(self, exit_: Exit) -> None:
        """Tell of a runner's end; if it was the last one, of what waits here too."""
        if not self.is_ready and self._waiting:
            left = frozenset(request.number for request in self._waiting)
            self._waiting.clear()
            exit_ = msgspec.structs.replace(exit_, waiting=exit_.waiting | left)
        self._callbacks.on_exit(exit_)
        self._pump()

    def cancel(self, number: int) -> None:
        """Ask for the end of a request; its outcome follows. Harmless if it has ended."""
        for request in self._waiting:
            if request.number == number:
                self._waiting.remove(request)
                self._refuse(number, CLIENT_GONE)
                return
        for runner in self._runners:
            runner.cancel(number)

    def pause(self, number: int) -> None:
        """Stop the chunks of a streamed answer for now."""
        for runner in self._runners:
            runner.pause(number)

    def resume(self, number: int) -> None:
        """Let the chunks of a streamed answer come again."""
        for runner in self._runners:
            runner.resume(number)

    def sweep(self, now_s: float) -> None:
        """End what is past its deadline; call a few times a second."""
        for request in [r for r in self._waiting if r.deadline_s <= now_s]:
            self._waiting.remove(request)
            self._refuse(request.number, EXPIRED)
        for runner in list(self._runners):
            runner.sweep(now_s)

    async def close(self, grace_s: float) -> None:
        """Stop all runners; each may finish what it was handed. Afterwards none is left."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(runner.close(grace_s) for runner in self._runners))
        self._runners.clear()
