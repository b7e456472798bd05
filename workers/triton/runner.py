"""A Triton server as the worker sees it: one that it starts, or one that runs already.

The end of the server is the end of the runner. So is the death of a Python model in a server of our
own: Triton does not start its process again, a new server does. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import deque
from collections.abc import Sequence
from typing import Final

from mesh.errors import BootError
from mesh.exits import signal_name
from mesh.wire import LogLine
from workers.child import Child
from workers.exchange import Callbacks, Cause, Exit, RunRequest
from workers.probe import Question
from workers.triton.calls import Calls
from workers.triton.client import ModelState, TritonClient, unready
from workers.triton.errors import OverdueError, ServerAwayError, V2Error
from workers.triton.front import Front
from workers.triton.launch import HOST, TritonConfig, clean_up, family, number, spawn
from workers.triton.relay import HEALTHY, Relay

LAST_WORDS: Final = 20
LINGER_S: Final = 0.5


class TritonRunner:
    """What both kinds share: requests at a server, from its readiness to its end."""

    def __init__(
        self,
        client: TritonClient,
        callbacks: Callbacks,
        boot_timeout_s: float,
        relay: Relay | None = None,
    ) -> None:
        self._client = client
        self._relay = relay
        self._on_exit, self._on_room = callbacks.on_exit, callbacks.on_room
        self._loop = asyncio.get_running_loop()
        self._boot_timeout_s = boot_timeout_s
        self._front = Front(client, relay)
        self._calls = Calls(self._front, callbacks.on_result, self._on_away)
        self._booted: asyncio.Future[None] = self._loop.create_future()
        self._booted.add_done_callback(asyncio.Future.exception)  # nobody may be waiting
        self._boot = self._loop.create_task(self._bring_up())
        self._boot.add_done_callback(self._refuse_failure)
        self.is_ready = self.is_busy = False
        self.unready = ""

    @property
    def pids(self) -> Sequence[int]:
        """Its processes on this host that are the instance's own."""
        return ()

    @property
    def outstanding(self) -> int:
        """How many requests it has been handed and not ended."""
        return len(self._calls)

    @property
    def room(self) -> bool:
        """Whether to hand it another request now: it takes all, and batches by itself."""
        return self.is_ready

    async def ready(self) -> None:
        """Wait until every model is loaded.

        Raises:
            BootError: one is not, or there is no server; the message is Triton's own.
        """
        await asyncio.shield(self._booted)

    async def _bring_up(self) -> None:
        try:
            await self._client.wait_live(self._boot_timeout_s)
            states = await self._client.models()
            if self._relay is not None:
                await self._relay.open(self._boot_timeout_s)
        except (ServerAwayError, OverdueError, V2Error) as exc:
            self._fail(BootError(str(exc), is_said=False))
            return
        if problem := self._problem(states):
            self._fail(BootError(problem, is_said=False))
            return
        self._front.models = sorted({state.name for state in states})
        self.is_ready = True
        self._booted.set_result(None)
        self._on_room()

    def _refuse_failure(self, boot: asyncio.Task[None]) -> None:
        """Nobody waits for ever for a start that failed in a way that we do not know."""
        if not boot.cancelled() and (error := boot.exception()) is not None:
            self._fail(BootError(f"the Triton server could not be asked: {error!r}", is_said=False))

    def _problem(self, states: list[ModelState]) -> str:
        return unready(states)

    def _fail(self, error: BootError) -> None:
        """End it because it does not serve."""
        raise NotImplementedError

    def _on_away(self, text: str) -> None:
        """The server is not there any more, says a request."""
        raise NotImplementedError

    def submit(self, request: RunRequest) -> None:
        """Hand over a request."""
        self._calls.submit(request)

    def cancel(self, number: int) -> None:
        """End a request: Triton is told, and its outcome follows at once."""
        self._calls.cancel(number)

    def pause(self, number: int) -> None:
        """Answers come whole: nothing to stop."""

    def resume(self, number: int) -> None:
        """Answers come whole: nothing to go on with."""

    def sweep(self, now_s: float) -> None:
        """End what runs past its deadline. The server is never stopped for it."""
        self._calls.sweep(now_s)

    async def ping(self, question: Question) -> bool:
        """Ask the server for its health; it answers while it is busy."""
        if self._relay is not None:
            return await self._relay.is_healthy(question)
        path = f"/v2/health/{question}"
        request = RunRequest(number=0, request_id="", body=b"", method="GET", path=path)
        try:
            return (await self._front.answer(request, None)).status == HEALTHY
        except ServerAwayError:
            return False

    def stop(self, reason: str) -> None:
        """End it; `on_exit` follows with the reason."""
        if self._booted.done():
            self._on_away(reason)
        else:
            self._fail(BootError(reason, is_said=True))

    def _tell_exit(self, pid: int, cause: Cause, reason: str) -> None:
        self.is_ready = False
        self._boot.cancel()
        started = self._calls.give_up()
        self._on_exit(Exit(pid=pid, cause=cause, reason=reason, started=started))


class TritonServer(TritonRunner):
    """A tritonserver of our own; `start` it and await `ready`."""

    def __init__(self, config: TritonConfig, callbacks: Callbacks) -> None:
        self._spawned = spawn(config)
        self._on_log = callbacks.on_log
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._cause: Cause | None = None
        self._boot_error: BootError | None = None
        self._away = ""
        self._child = Child(self._spawned.process, self._on_line, self._on_end)
        client = TritonClient(self._spawned.address, is_ours=True)
        self._http = Relay(HOST, number(self._spawned.http_port))
        super().__init__(client, callbacks, config.boot_timeout_s, self._http)

    @classmethod
    def start(cls, config: TritonConfig, callbacks: Callbacks) -> TritonServer:
        """Start a server.

        Raises:
            BootError: its binary cannot be run.
        """
        return cls(config, callbacks)

    def __repr__(self) -> str:
        return f"<TritonServer {self._child.pid} {self._calls!r}>"

    @property
    def pids(self) -> Sequence[int]:
        """The server and the stubs of its Python models."""
        return family(self._child.pid)

    def _on_line(self, line: LogLine) -> None:
        if line.stream == "stderr":
            self._last_words.append(line.text)
        self._on_log(line)

    def _fail(self, error: BootError) -> None:
        self._boot_error = error
        self._child.kill()

    def _on_away(self, text: str) -> None:
        """It has ended, which the system tells in a moment, or is to be ended: it is of no use."""
        self._away, self.is_ready = self._away or text, False
        self._loop.call_later(LINGER_S, self._child.kill)

    def _on_end(self, code: int) -> None:
        clean_up(self._spawned)
        how = _describe(code)
        cause: Cause = self._cause or "crashed"
        if self._away:
            how = f"{how}: {self._away}"
        if not self._booted.done():
            error = self._boot_error or self._boot_failure(how)
            cause, how = self._cause or "boot", error.message
            self._booted.set_exception(error)
        self._tell_exit(self._child.pid, cause, how)

    def _boot_failure(self, how: str) -> BootError:
        said = "".join(f"\n{text}" for text in self._last_words)
        return BootError(f"{how} before its models were ready{said}", is_said=False)

    async def close(self, grace_s: float) -> None:
        """Let it finish what it was handed and leave; kill it after `grace_s` seconds."""
        gone = self._child.gone
        if not gone.is_set():
            self._cause = self._cause or "closed"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s if self.is_ready else 0):
                    await self._calls.ended()
                    self._http.close()  # the server would wait for its connections to end
                    self._child.send(signal.SIGTERM)
                    await gone.wait()
            self._child.kill()
        await gone.wait()
        self._http.close()
        await self._client.close()


class AttachedServer(TritonRunner):
    """A server that somebody else runs. It ends, for us, when it cannot be reached."""

    def __init__(
        self, client: TritonClient, wanted: frozenset[str], callbacks: Callbacks, timeout_s: float
    ) -> None:
        self._wanted = wanted
        self._is_gone = False
        self._watching: asyncio.Task[None] | None = None
        super().__init__(client, callbacks, timeout_s)
        self._booted.add_done_callback(self._watch)

    def __repr__(self) -> str:
        return f"<AttachedServer {self._client.address} {self._calls!r}>"

    def _problem(self, states: list[ModelState]) -> str:
        known = {state.name for state in states}
        for name in sorted(self._wanted - known):
            return f"the Triton server at {self._client.address} has no model '{name}'"
        return unready([state for state in states if state.name in self._wanted])

    def _watch(self, booted: asyncio.Future[None]) -> None:
        if booted.exception() is None:
            self._watching = self._loop.create_task(self._wait_away())

    async def _wait_away(self) -> None:
        await self._client.wait_away()
        self._on_away("the connection was lost")

    def _on_away(self, text: str) -> None:
        self._end("crashed", f"the Triton server at {self._client.address} is away: {text}")

    def _fail(self, error: BootError) -> None:
        self._booted.set_exception(error)
        self._end("boot", error.message)

    def _end(self, cause: Cause, reason: str) -> None:
        if not self._is_gone:
            self._is_gone = True
            if self._watching is not None:
                self._watching.cancel()
            if not self._booted.done():
                self._booted.set_exception(BootError(reason, is_said=False))
            self._tell_exit(0, cause, reason)

    async def close(self, grace_s: float) -> None:
        """Let what it was handed finish, for `grace_s` seconds, and let go of the server."""
        if not self._is_gone:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s if self.is_ready else 0):
                    await self._calls.ended()
            self._end("closed", "the worker let go of the server")
        await self._client.close()


def _describe(code: int) -> str:
    if code >= 0:
        return f"the Triton server ended with exit code {code}"
    return f"the Triton server was ended by {signal_name(-code)}"
