"""What Linux knows about processes: who dies with whom, who reaps whom, who is still there.

Each thing degrades in the open on other systems: it says once in the log what does not hold there.
Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import psutil

log = logging.getLogger("mesh.process")

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
# How many threads the usual libraries start by themselves.
THREADS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
IS_LINUX: Final = sys.platform == "linux"
# A start time is counted from the boot time, which a corrected clock moves a little.
START_TOLERANCE_S: Final = 2.0


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """One process for ever: a pid alone may be another's by now. `create_time` is Unix time."""

    pid: int
    create_time: float = 0.0

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Return who has this pid now, None if nobody has."""
        try:
            return cls(pid=pid, create_time=psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def is_alive(self) -> bool:
        """Tell whether it still runs; one that only waits to be reaped does not."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return abs(process.create_time() - self.create_time) < START_TOLERANCE_S
        except psutil.Error:
            return False

    def send(self, sig: signal.Signals) -> None:
        """Send a signal; harmless if it is gone."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)


def die_with_parent(sig: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """Return a `preexec_fn` that makes the new process get `sig` when its parent ends.

    The parent is the thread that starts it: start it from a thread that lives as long as the
    process, such as the main one. None where the system cannot do it.
    """
    if not IS_LINUX:
        log.warning("process.no_parent_death_signal children may outlive a killed parent here")
        return None
    # All that takes a lock happens before the fork.
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)
        if os.getppid() != parent:  # it ended in between
            os._exit(1)

    return before_exec


def become_subreaper() -> bool:
    """Adopt every descendant whose parent ends, so that none is lost; False where not possible."""
    if not IS_LINUX:
        log.warning("process.no_subreaper orphans go to init and are found by their records only")
        return False
    return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


async def wait_gone(identities: Iterable[Identity], timeout_s: float) -> list[Identity]:
    """Wait until all have ended; return those that still run after `timeout_s` seconds."""
    alive = [identity for identity in identities if identity.is_alive()]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(_gone(identity, timeout_s) for identity in alive))
    return [identity for identity in alive if identity.is_alive()]


async def _gone(identity: Identity, timeout_s: float) -> None:
    if not IS_LINUX:
        with contextlib.suppress(psutil.Error):
            await asyncio.to_thread(psutil.Process(identity.pid).wait, timeout_s)
        return
    try:
        fd = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(fd, ended.set)
    try:
        if identity.is_alive():
            await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
