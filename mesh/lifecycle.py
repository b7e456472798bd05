"""The life of a program: start, serve until told to stop, drain, leave with a code.

A program is told to stop by SIGINT, SIGTERM or the end of the life-line, a pipe whose only writer
is `mesh up`: it ends when `mesh up` ends, however it ends. Ring: adapter.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from mesh import loglines
from mesh.access import sign_in
from mesh.bus import Bus
from mesh.errors import BusError, MeshError, SpecError
from mesh.exits import Exit
from mesh.jsonfile import write_record
from mesh.process import Identity
from mesh.settings import LogSettings, Role, Settings

log = logging.getLogger("mesh.lifecycle")

LIFELINE_ENV: Final = "MESH_LIFELINE_FD"
READY_ENV: Final = "MESH_READY_FD"
NAME_ENV: Final = "MESH_PROGRAM_NAME"
LOG_LEVEL_ENV: Final = "MESH_LOG__LEVEL"
GRACE_S: Final = 60.0
LAST_GRACE_S: Final = 5.0

Main = Callable[[asyncio.Event], Awaitable[int]]

# Of the program that `run` runs.
_own_stop: ContextVar[_Stop] = ContextVar("own_stop")


class StoppedError(MeshError):
    """The program was told to stop before it served."""

    code = "stopped"


def run(program: str, main: Main, *, grace_s: float = GRACE_S) -> int:
    """Run `main(stop)` until it returns, and return the process's exit code.

    Args:
        program: what the log lines call it.
        main: serves until `stop` is set, then drains and returns an exit code. It may raise
            `SpecError` for bad settings and any other `MeshError` for what kept it from starting.
        grace_s: seconds it may take to drain; then it is cut off. `allow_drain` makes it more.
    """
    loglines.set_up(name(program), os.environ.get(LOG_LEVEL_ENV) or LogSettings().level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_live(main, grace_s))
    except BaseExceptionGroup as group:
        return _exit_code(_first(group))
    except Exception as exc:  # the top of the program: whatever it is, it ends in a code
        return _exit_code(exc)


def arguments(program: str, *options: str, optional: Iterable[str] = ()) -> argparse.Namespace:
    """Parse `--settings FILE` and the program's own options; all strings, None if not given."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("--settings", help="a file `mesh up` wrote; else the environment says it")
    for option in options:
        parser.add_argument(f"--{option}", required=True)
    for option in optional:
        parser.add_argument(f"--{option}")
    return parser.parse_args()


async def connect(settings: Settings, role: Role, program: str) -> Bus:
    """Connect to the broker as `role`.

    Raises:
        BusError: no server answered in time, it refused us, or it is too old.
        StoppedError: the program was told to stop meanwhile.
    """
    signing_in = sign_in(settings.access(role), program, settings.nats.connect_timeout_s)
    connecting = asyncio.ensure_future(signing_in)
    own = _own_stop.get(None)
    stopping = asyncio.ensure_future((own.event if own else asyncio.Event()).wait())
    try:
        await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if connecting.done():
            return connecting.result()
        raise StoppedError
    finally:
        stopping.cancel()
        connecting.cancel()


def name(program: str) -> str:
    """Return what `mesh up` calls this process, `program` if it was started by hand."""
    return os.environ.get(NAME_ENV) or program


def allow_drain(drain_s: float) -> None:
    """Say how long this program's own drain may take, so that it is not cut off before."""
    own = _own_stop.get(None)
    if own is not None:
        own.grace_s = max(own.grace_s, drain_s + LAST_GRACE_S)


def ask_to_stop(why: str) -> None:
    """Have this program stop, as a signal would; harmless in one that `run` does not run."""
    own = _own_stop.get(None)
    if own is not None:
        own.ask(why)


def announce(settings: Settings, program: str, **facts: Any) -> None:
    """Say that this process serves now: write its record, and tell `mesh up` that waits for it.

    Args:
        settings: where the state folder is.
        program: gateway or scaler; the record has the name `mesh up` gave this process.
        facts: what others want to know, such as `url`.
    """
    me = Identity.of(os.getpid())
    record = {
        "name": name(program),
        "pid": os.getpid(),
        "create_time": me.create_time if me else 0.0,
        **facts,
    }
    folder = Path(settings.state_dir) / "run"
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder / f"{name(program)}.json", record)
    fd = os.environ.pop(READY_ENV, "")
    if fd:
        with contextlib.suppress(OSError):  # nobody waits any more
            os.write(int(fd), msgspec.json.encode(record) + b"\n")
            os.close(int(fd))


def lifeline_fds() -> tuple[int, ...]:
    """Return what to give as `pass_fds` to a child that shall hear the life-line end too."""
    fd = os.environ.get(LIFELINE_ENV, "")
    return (int(fd),) if fd else ()


class _Stop:
    """The wish to stop, whoever has it, and the clock that runs from then on.

    The clock is outside the loop: a loop that hangs while it drains is ended all the same.
    """

    def __init__(self, grace_s: float) -> None:
        self.event = asyncio.Event()
        self.grace_s = grace_s
        self._loop = asyncio.get_running_loop()
        self._once = threading.Lock()
        self._clock: threading.Timer | None = None

    def ask(self, why: str) -> None:
        """Stop; called in the loop."""
        self.start_clock()
        if not self.event.is_set():
            log.info("lifecycle.stop %s", why)
        self.event.set()

    def ask_from_thread(self, why: str) -> None:
        """Stop; called in another thread."""
        self.start_clock()
        with contextlib.suppress(RuntimeError):  # the loop is closed: we are leaving already
            self._loop.call_soon_threadsafe(self.ask, why)

    def start_clock(self) -> None:
        """Start the clock unless it runs."""
        if self._once.acquire(blocking=False):
            limit_s = self.grace_s + 2 * LAST_GRACE_S
            self._clock = threading.Timer(limit_s, os._exit, args=(int(Exit.CUT_OFF),))
            self._clock.daemon = True
            self._clock.start()

    def over(self) -> None:
        """Stop the clock, for good: the program has come to its end."""
        self._once.acquire(blocking=False)
        if self._clock is not None:
            self._clock.cancel()


async def _live(main: Main, grace_s: float) -> int:
    stop = _Stop(grace_s)
    with _signals(stop):
        _watch_lifeline(stop)
        try:
            return await _drained(main, stop)
        finally:
            stop.over()


async def _drained(main: Main, stop: _Stop) -> int:
    _own_stop.set(stop)
    working = asyncio.ensure_future(main(stop.event))
    stopping = asyncio.create_task(stop.event.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        await asyncio.wait({working}, timeout=stop.grace_s)
    if working.done():
        return working.result()
    log.error("lifecycle.cut_off grace_s=%g", stop.grace_s)
    working.cancel()
    await asyncio.wait({working}, timeout=LAST_GRACE_S)
    return Exit.CUT_OFF


@contextlib.contextmanager
def _signals(stop: _Stop) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sig, stop.ask, f"signal={sig.name}")
    try:
        yield
    finally:
        for sig in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(sig)


def _watch_lifeline(stop: _Stop) -> None:
    """Ask to stop when the life-line ends; from a thread, so that a busy loop is no excuse."""

    def watch(fd: int) -> None:
        with contextlib.suppress(OSError):
            while os.read(fd, 1):
                pass
        stop.ask_from_thread("lifeline=ended")

    for fd in lifeline_fds():
        threading.Thread(target=watch, args=(fd,), name="lifeline", daemon=True).start()


def _first(error: BaseException) -> BaseException:
    """The error of ours in a group, else the first one."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    ours = error.subgroup(MeshError)
    return _first((ours or error).exceptions[0])


def _exit_code(error: BaseException) -> int:
    if isinstance(error, StoppedError):
        return Exit.CLEAN
    if isinstance(error, SpecError):
        log.error("lifecycle.bad_settings %s", error)
        return Exit.BAD_SETTINGS
    in_use = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
    if isinstance(error, BusError | TimeoutError) or in_use:
        log.error("lifecycle.not_started %s", str(error) or type(error).__name__)
        return Exit.NOT_STARTED
    log.error("lifecycle.crashed", exc_info=error)
    return Exit.CRASHED
