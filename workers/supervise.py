"""One runner process as the worker sees it: requests in, outcomes out, and how it ended.

All callbacks are sync and come from the event loop. Each submitted request ends exactly once: in
a final `Outcome`, or by its number in the `Exit`. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import deque
from typing import Final

from mesh.errors import BootError
from mesh.exits import signal_name
from mesh.wire import LogLine
from workers.channel import Channel
from workers.child import Child
from workers.exchange import Callbacks, Cause, Exit, Outcome, RunRequest, outcome, request_head
from workers.launch import RunnerConfig, spawn
from workers.overrun import Handed, Running, are_to_blame, deserted, overdue
from workers.pings import Pings
from workers.probe import Question
from workers.runner import frames
from workers.runner.frames import Frame
from workers.window import send_ahead, smooth

WHOLE_BYTES: Final = 64 * 1024  # up to here a body is joined to its header
LAST_WORDS: Final = 20
ABORT_S: Final = 0.5
LINGER_S: Final = 2.0
HOW_STOPPED: Final[dict[Cause, str]] = {
    "overdue": "run() did not end in time and its runner was stopped",
    "cancelled": "nobody waited for run() any more and its runner was stopped",
}


class RunnerProcess:
    """A running runner; `start` it, await `ready`, then `submit` while there is `room`."""

    def __init__(self, config: RunnerConfig, callbacks: Callbacks) -> None:
        self._config = config
        self._on_result, self._on_log, self._on_exit, self._on_room = callbacks
        self._loop = asyncio.get_running_loop()
        spawned = spawn(config)
        self._cell = spawned.cell
        self._channel = Channel(spawned.sock, self._take, self._on_silence, self._on_room)
        self._pings = Pings(self._channel.send)
        self._child = Child(spawned.process, self._on_line, self._on_end)
        self._handed: dict[int, Handed] = {}
        self._chunks: dict[int, int] = {}
        self._cancelled: set[int] = set()
        self._deserted_s: dict[int, float] = {}  # since when a request has no caller any more
        self._stopped: frozenset[int] = frozenset()
        self._heard_s = 0.0
        self._order = self._ahead = 0
        self._is_async = False
        self._cause: Cause | None = None
        self._boot_error: BootError | None = None
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._booted: asyncio.Future[None] = self._loop.create_future()
        self._booted.add_done_callback(asyncio.Future.exception)  # nobody may be waiting
        self._boot_timer = self._loop.call_later(config.boot_timeout_s, self._give_up_boot)
        self.pid = self._child.pid
        self.is_ready = False
        self.unready = self._why = ""
        self.mean_run_s = 0.0

    @classmethod
    def start(cls, config: RunnerConfig, callbacks: Callbacks) -> RunnerProcess:
        """Start a process.

        Raises:
            BootError: its interpreter or code folder cannot be used.
        """
        return cls(config, callbacks)

    def __repr__(self) -> str:
        return f"<RunnerProcess {self.pid} handed={len(self._handed)} ahead={self._ahead}>"

    @property
    def pids(self) -> tuple[int, ...]:
        """The process whose CPU and memory are the instance's."""
        return (self.pid,)

    @property
    def outstanding(self) -> int:
        """How many requests it has been handed and not ended."""
        return len(self._handed)

    @property
    def room(self) -> bool:
        """Whether to hand it another request now: an async script takes all, others few ahead."""
        if self._channel.is_blocked or not self.is_ready:
            return False
        return self._is_async or len(self._handed) <= self._ahead

    @property
    def is_busy(self) -> bool:
        """Whether a request keeps it that has time left to run."""
        running = self._running
        is_running = any(one.order <= running.begun for one in self._handed.values())
        return is_running and self._loop.time() < running.begun_at_s + running.limit_s

    async def ping(self, _: Question) -> bool:
        """Ask for a sign of life: a script that answers is ready too."""
        return await self._pings.ask()

    def stop(self, reason: str) -> None:
        """End the process; `on_exit` follows with the reason."""
        self._why = self._why or reason
        self._boot_error = self._boot_error or BootError(reason, is_said=True)
        self._abort("unhealthy")

    async def ready(self) -> None:
        """Wait until the script has booted.

        Raises:
            BootError: it did not; the message is the script's own traceback, or what is known. Its
                context tells by `is_said` whether the console has it already.
        """
        await asyncio.shield(self._booted)

    def submit(self, request: RunRequest) -> None:
        """Hand over a request."""
        self._order += 1
        self._handed[request.number] = Handed(self._order, self._loop.time(), request.deadline_s)
        body = request.body
        if len(body) <= WHOLE_BYTES:
            self._channel.send(request_head(request) + body)
        else:
            self._channel.send(request_head(request), body)

    def cancel(self, number: int) -> None:
        """Ask for the end of a request; its outcome follows. Harmless if it has ended."""
        if number in self._handed and self._config.cancel_grace_s is not None:
            self._deserted_s.setdefault(number, self._loop.time())
        self._ask_to_end(number)

    def _ask_to_end(self, number: int) -> None:
        if number in self._handed and number not in self._cancelled:
            self._cancelled.add(number)
            self._channel.send(frames.head(frames.CANCEL, number))

    def pause(self, number: int) -> None:
        """Stop the chunks of a streamed answer for now."""
        if number in self._handed:
            self._channel.send(frames.head(frames.PAUSE, number))

    def resume(self, number: int) -> None:
        """Let the chunks of a streamed answer come again."""
        if number in self._handed:
            self._channel.send(frames.head(frames.RESUME, number))

    def _take(self, received: list[Frame]) -> None:
        handed, chunks = self._handed, self._chunks
        self._heard_s = self._loop.time()
        for frame in received:
            kind, flags, status, micros, number, _, body = frame
            if kind != frames.RESULT:
                self._take_other(frame)
            elif handed.pop(number, None) is not None:
                if self._deserted_s:
                    self._deserted_s.pop(number, None)
                self.mean_run_s = smooth(self.mean_run_s, (micros or 1) / 1e6)
                self._ahead = send_ahead(self.mean_run_s)
                if flags or chunks:
                    self._cancelled.discard(number)
                    said = outcome(frame, final=True, chunks=chunks.pop(number, 0))
                else:
                    said = Outcome(number=number, status=status, body=body, run_ms=micros / 1000)
                self._on_result(said)

    def _take_other(self, frame: Frame) -> None:
        kind, number = frame[0], frame[4]
        if kind == frames.CHUNK and number in self._handed:
            self._chunks[number] = self._chunks.get(number, 0) + 1
            self._on_result(outcome(frame, final=False))
        elif kind == frames.READY and not self._booted.done():
            self._boot_timer.cancel()
            self._is_async, self.is_ready = bool(frame[2]), True
            self._last_words.clear()
            self._booted.set_result(None)
            self._on_room()
        elif kind == frames.PONG:
            self._pings.heard()
        elif kind == frames.FAILED:
            self._boot_error = BootError(frame[6].decode(errors="replace"), is_said=True)

    def _on_line(self, line: LogLine) -> None:
        if line.stream == "stderr":
            self._last_words.append(line.text)
        self._on_log(line)

    def _on_silence(self) -> None:
        """It has closed its socket: it is leaving, unless threads of the user's keep it."""
        if not self._child.gone.is_set():
            self._loop.call_later(LINGER_S, self.kill)

    def sweep(self, now_s: float) -> None:
        """End what runs past its deadline: cancel what can be, stop the process where it cannot."""
        for number in [n for n, handed in self._handed.items() if handed.deadline_s <= now_s]:
            self._ask_to_end(number)
        if self._cause is None and self._config.hard_timeout:
            self._stop_for("overdue", overdue(self._handed, self._running, now_s))
        if self._cause is None and self._deserted_s:
            until_s = now_s - (self._config.cancel_grace_s or 0.0)
            found = deserted(self._handed, self._running, self._deserted_s, until_s)
            self._stop_for("cancelled", found)

    @property
    def _running(self) -> Running:
        begun = self._cell.read()
        return Running(self._is_async, begun.requests, begun.at_s, self._config.run_limit_s)

    def _stop_for(self, cause: Cause, stuck: frozenset[int]) -> None:
        if stuck:
            if are_to_blame(stuck, self._handed, self._running, self._heard_s):
                self._stopped = stuck
            self._abort(cause)

    def kill(self, cause: Cause = "killed") -> None:
        """End the process and whatever it has started; `on_exit` follows."""
        if not self._child.gone.is_set():
            self._cause = self._cause or cause
            self._child.kill()

    def _abort(self, cause: Cause) -> None:
        """End the process, but let it say first where every thread of it is."""
        if self._cause is None:
            self._cause = cause
            self._child.send(signal.SIGABRT)
            self._loop.call_later(ABORT_S, self.kill)

    def _give_up_boot(self) -> None:
        text = f"init() did not finish in {self._config.boot_timeout_s:g} s"
        self._boot_error = BootError(text, is_said=False)
        self._abort("boot")

    async def close(self, grace_s: float) -> None:
        """Let it finish what it was handed and leave; kill it after `grace_s` seconds."""
        gone = self._child.gone
        if not gone.is_set():
            self._cause = self._cause or "closed"
            self._channel.send(frames.head(frames.STOP))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s if self.is_ready else 0):
                    await gone.wait()
            self.kill()
        await gone.wait()

    def _on_end(self, code: int) -> None:
        """The process has ended: deliver all it said, then tell how it ended."""
        self._cause = self._cause or "crashed"
        self.is_ready = False  # before the last results: they free room for more
        self._channel.close()
        self._boot_timer.cancel()
        self.is_ready = False
        how = _describe(code)
        if not self._booted.done():
            error = self._boot_error or self._boot_failure(how)
            self._cause = self._cause if self._cause in ("closed", "killed") else "boot"
            self._booted.set_exception(error)
            how = error.message
        self._on_exit(self._exit(how))
        self._cell.close()

    def _exit(self, how: str) -> Exit:
        begun = self._cell.read().requests
        handed, cause = self._handed, self._cause or "crashed"
        stopped = self._stopped & handed.keys() if cause in HOW_STOPPED else frozenset()
        started = frozenset(n for n in handed if handed[n].order <= begun) - stopped
        if stopped and not self._is_async:  # it runs one at a time: the others had ended unheard
            started = frozenset()
        waiting = frozenset(handed) - started - stopped
        handed.clear()
        how = self._why or HOW_STOPPED.get(cause, how)
        return Exit(
            pid=self.pid, cause=cause, reason=how, started=started, waiting=waiting, stopped=stopped
        )

    def _boot_failure(self, how: str) -> BootError:
        said = "".join(f"\n{text}" for text in self._last_words)
        return BootError(f"{how} before the script was ready{said}", is_said=False)


def _describe(code: int) -> str:
    if code >= 0:
        return f"the runner ended with exit code {code}"
    return f"the runner was ended by {signal_name(-code)}"
