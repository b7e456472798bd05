"""One program under `mesh up`: started, waited for, started again when it ends.

The back-off grows with each end and starts anew once the program stayed up. Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from mesh.backoff import backoff_s
from mesh.embedded.folder import ProgramView
from mesh.embedded.reaper import Running
from mesh.errors import MeshError
from mesh.exits import Exit, signal_name
from mesh.settings import SupervisorSettings

log = logging.getLogger("mesh.embedded.child")

# It said so itself, or it was killed.
CUT_OFF: Final = (Exit.CUT_OFF, -signal.SIGKILL)

Stage = Literal["broker", "gateway", "scaler"]
Facts = Mapping[str, Any]


class NotStartedError(MeshError):
    """A program did not start."""

    code = "not_started"


class Launched(NamedTuple):
    """A child that was just started, and what it says once it serves."""

    running: Running
    ready: Awaitable[Facts]


Launch = Callable[[], Launched]


def why(code: int) -> str:
    """Say how a process ended, in words."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal_name(-code)}"


class Child:
    """A program and its present process."""

    def __init__(
        self,
        name: str,
        stage: Stage,
        launch: Launch,
        limits: SupervisorSettings,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.stage = stage
        self.restarts = 0
        self.running: Running | None = None
        self._launch = launch
        self._limits = limits
        self._on_change = on_change
        self._state = "starting"
        self._facts: Facts = {}

    def __repr__(self) -> str:
        return f"<Child {self.name} {self._state} restarts={self.restarts}>"

    def view(self) -> ProgramView:
        """Return how it is now."""
        identity = self.running.identity if self.running else None
        return ProgramView(
            name=self.name,
            pid=identity.pid if identity else 0,
            create_time=identity.create_time if identity else 0.0,
            state=self._state,
            url=str(self._facts.get("url", "")),
            metrics_url=str(self._facts.get("metrics_url", "")),
            restarts=self.restarts,
        )

    async def start(self) -> None:
        """Start it and wait until it serves.

        Raises:
            NotStartedError: it ended first, or took too long; it does not run then.
        """
        try:
            self.running, ready = self._launch()
        except OSError as exc:
            raise NotStartedError(f"{self.name} did not start: {exc}") from exc
        self._set("starting")
        try:
            self._facts = await self._serving(self.running, asyncio.ensure_future(ready))
        except MeshError as exc:
            await self.running.stop(0)
            raise NotStartedError(f"{self.name} did not start: {exc}") from exc
        self._set("up")

    async def _serving(self, running: Running, serving: asyncio.Future[Facts]) -> Facts:
        timeout_s = self._limits.start_timeout_s
        try:
            either: set[asyncio.Future[Any]] = {serving, running.ended}
            await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                return serving.result()
            if running.ended.done():
                raise NotStartedError(f"it ended: {why(running.ended.result())}")
            raise NotStartedError(f"it did not serve within {timeout_s:g} s")
        finally:
            serving.cancel()

    async def keep(self) -> None:
        """Start it again whenever it ends, for ever."""
        ends = 0
        since_s = time.monotonic()
        while self.running is not None:
            reason = why(await self.running.wait())
            if time.monotonic() - since_s > self._limits.restart_reset_s:
                ends = 0
            ends += 1
            delay_s = backoff_s(ends, self._limits.restart_min_s, self._limits.restart_max_s)
            self._set("restarting")
            log.warning("up.ended name=%s reason=%r restart_in_s=%g", self.name, reason, delay_s)
            await asyncio.sleep(delay_s)
            since_s = time.monotonic()
            self.restarts += 1
            try:
                await self.start()
            except NotStartedError as exc:
                log.warning("up.not_restarted %s", exc)
            else:
                log.info("up.restarted name=%s restarts=%d", self.name, self.restarts)

    async def stop(self, grace_s: float) -> bool:
        """End it; tell whether no work was cut off."""
        if self.running is None:
            return True
        self._set("stopping")
        if not await self.running.stop(grace_s):
            log.warning("up.killed name=%s grace_s=%g", self.name, grace_s)
        self._set("stopped")
        return self.running.ended.result() not in CUT_OFF

    def _set(self, state: str) -> None:
        self._state = state
        self._on_change()
