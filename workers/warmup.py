"""Runners that have answered a request of ours before they serve. Ring: adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from mesh.errors import BootError
from mesh.records import SampleRecord
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.warmup import WarmupOptions
from mesh.wire import LogLine
from workers.exchange import DEFAULT_PATH, Callbacks, Exit, Outcome, RunRequest
from workers.runtime import Runner, Runtime

NUMBER: Final = 0  # requests of callers count from 1
REQUEST_ID: Final = "warm-up"
LINES_KEPT: Final = 50
SAID_BYTES: Final = 2000
END_S: Final = 1.0


class Warmup(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, how many times, and how long each may take."""

    request: RunRequest
    requests: int
    timeout_s: float


def recorded(spec: DeploymentSpec, options: WarmupOptions, sample: SampleRecord) -> Warmup:
    """Return the warm-up with a request that the deployment has answered."""
    request = RunRequest(
        number=NUMBER,
        request_id=REQUEST_ID,
        body=sample.body,
        method=sample.method or "POST",
        path=sample.path or DEFAULT_PATH,
        content_type=sample.content_type,
    )
    return Warmup(request=request, requests=options.requests, timeout_s=spec.timeout_s)


def given(spec: DeploymentSpec, options: WarmupOptions, folder: Path) -> Warmup:
    """Return the warm-up with the request that the deployment's YAML gives.

    Args:
        spec: the deployment.
        options: its warm-up.
        folder: its code, or the model of one that has none.

    Raises:
        BootError: there is no such file.
    """
    body = (options.body or "").encode()
    if options.file is not None:
        try:
            body = (folder / options.file).read_bytes()
        except OSError as exc:
            raise BootError(f"mesh.warmup.file: {options.file!r}: {exc.strerror}") from exc
    request = RunRequest(
        number=NUMBER,
        request_id=REQUEST_ID,
        body=body,
        path=options.path,
        content_type=options.content_type,
    )
    return Warmup(request=request, requests=options.requests, timeout_s=spec.timeout_s)


class WarmRuntime(msgspec.Struct, frozen=True):
    """A runtime whose runners are warmed up. Implements `workers.runtime.Runtime`."""

    runtime: Runtime
    warmup: Warmup

    @property
    def count(self) -> int:
        """How many runners serve as one."""
        return self.runtime.count

    def start(self, callbacks: Callbacks) -> WarmRunner:
        """Start a runner.

        Raises:
            BootError: it cannot be started.
        """
        return WarmRunner(self.runtime, self.warmup, callbacks)


class WarmRunner:
    """A runner that serves when it has answered; what it answers then nobody else hears."""

    def __init__(self, runtime: Runtime, warmup: Warmup, callbacks: Callbacks) -> None:
        self._told = callbacks
        self._warmup = warmup
        self._is_warm = False
        self._answer: asyncio.Future[Outcome] | None = None
        self._lines: list[str] = []
        own = Callbacks(self._on_result, self._on_log, self._on_exit, callbacks.on_room)
        self._runner: Runner = runtime.start(own)
        self.submit, self.cancel = self._runner.submit, self._runner.cancel
        self.pause, self.resume = self._runner.pause, self._runner.resume
        self.sweep, self.close = self._runner.sweep, self._runner.close
        self.ping, self.stop = self._runner.ping, self._runner.stop
        self.unready = ""

    def __repr__(self) -> str:
        return f"<WarmRunner warm={self._is_warm} {self._runner!r}>"

    @property
    def is_ready(self) -> bool:
        """Whether it serves."""
        return self._is_warm and self._runner.is_ready

    @property
    def is_busy(self) -> bool:
        """Whether a request keeps it that has time left to run."""
        return (self._answer is not None and not self._answer.done()) or self._runner.is_busy

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
        return self._is_warm and self._runner.room

    async def ready(self) -> None:
        """Wait until it has booted and answered.

        Raises:
            BootError: it has not; the message is the model's own words.
        """
        await self._runner.ready()
        for number in range(1, self._warmup.requests + 1):
            if problem := await self._ask():
                which = f"request {number} of {self._warmup.requests}"
                await self._runner.close(END_S)  # all that it has said is here then
                said = "".join(f"\n{line}" for line in self._lines)
                raise BootError(f"warm-up, {which}: {problem}{said}", is_said=bool(said))
        self._is_warm = True
        self._told.on_room()

    async def _ask(self) -> str:
        """Ask once; say what was wrong, empty if it answered well."""
        self._answer = asyncio.get_running_loop().create_future()
        self._runner.submit(self._warmup.request)
        try:
            async with asyncio.timeout(self._warmup.timeout_s):
                outcome = await self._answer
        except TimeoutError:
            return f"no answer in {self._warmup.timeout_s:g} s"
        except BootError as exc:
            return exc.message
        if 200 <= outcome.status < 300:
            return ""
        body = outcome.body[:SAID_BYTES].decode(errors="replace")
        return f"the model answered {outcome.status}: {body}"

    def _on_result(self, outcome: Outcome) -> None:
        if outcome.number != NUMBER:
            self._told.on_result(outcome)
        elif outcome.final and self._answer is not None and not self._answer.done():
            self._answer.set_result(outcome)

    def _on_log(self, line: LogLine) -> None:
        if not self._is_warm and line.stream == "stderr" and line.request_id == REQUEST_ID:
            self._lines = [*self._lines, line.text][-LINES_KEPT:]
        self._told.on_log(line)

    def _on_exit(self, exit_: Exit) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BootError(exit_.reason))
        ours = {NUMBER}
        self._told.on_exit(
            msgspec.structs.replace(
                exit_,
                started=exit_.started - ours,
                waiting=exit_.waiting - ours,
                stopped=exit_.stopped - ours,
            )
        )
