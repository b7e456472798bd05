"""Worker programs that are started ahead of need: most of a start is over when one is wanted.

A spare has imported everything and waits on a socket to be told which instance it is. It is no
instance until then, and ends when this process does, however that ends: nobody has to adopt it.
Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import msgspec

from mesh import lifecycle
from mesh.subjects import WorkerAddress

log = logging.getLogger("scaler.launchers.spares")

REFILL_S: Final = 1.5  # the instance that has just taken one needs the processor first
FAILED_S: Final = 30.0  # until the next try, when one ended by itself
LOG: Final = "spares.log"

SpareCommand = Callable[[int], list[str]]
_Popen = subprocess.Popen[bytes]


def spare_command(settings_path: str | None) -> SpareCommand:
    """Return how a spare is started that has its end of the socket under a number."""
    settings = ("--settings", settings_path) if settings_path is not None else ()

    def command(fd: int) -> list[str]:
        return [sys.executable, "-m", "workers.spare", *settings, "--socket", str(fd)]

    return command


class _Spare(NamedTuple):
    process: _Popen
    sock: socket.socket


class Spares:
    """Keeps so many spares; `command` None: never any."""

    def __init__(self, command: SpareCommand | None, log_dir: Path) -> None:
        self._command = command
        self._log_dir = log_dir
        self._waiting: deque[_Spare] = deque()
        self._wanted = 0
        self._not_before_s = 0.0
        self._loop = asyncio.get_running_loop()
        self.taken = 0

    def __repr__(self) -> str:
        return f"<Spares waiting={len(self._waiting)} of {self._wanted} taken={self.taken}>"

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, count: int, environ: Mapping[str, str]) -> None:
        """Have so many from now on; called again and again, it makes up for those taken."""
        self._wanted = count if self._command is not None else 0
        while len(self._waiting) > self._wanted:
            _end(self._waiting.pop())
        for spare in [one for one in self._waiting if one.process.poll() is not None]:
            log.warning("spares.ended code=%s see=%s", spare.process.returncode, LOG)
            self._waiting.remove(spare)
            spare.sock.close()
            self._not_before_s = self._loop.time() + FAILED_S
        while len(self._waiting) < self._wanted and self._loop.time() >= self._not_before_s:
            try:
                self._waiting.append(self._start(environ))
            except OSError as exc:  # instances start without one
                log.warning("spares.not_started %s", exc)
                self._not_before_s = self._loop.time() + FAILED_S

    def take(
        self,
        address: WorkerAddress,
        generation: int,
        environ: Mapping[str, str],
        output: IO[bytes],
        prepare: Callable[[int], None],
    ) -> _Popen | None:
        """Make an instance of a spare; None if there is none that can be.

        Args:
            address: which instance.
            generation: of which generation.
            environ: its whole environment.
            output: where it writes.
            prepare: called with its process id before it is told, to write it down.
        """
        orders: dict[str, Any] = {
            "address": address, "generation": generation, "environ": environ,
        }  # fmt: skip
        while self._waiting:
            spare = self._waiting.popleft()
            self._not_before_s = max(self._not_before_s, self._loop.time() + REFILL_S)
            if spare.process.poll() is not None:
                spare.sock.close()
                continue
            try:
                prepare(spare.process.pid)
                _order(spare.sock, msgspec.json.encode(orders) + b"\n", output.fileno())
            except OSError as exc:
                log.warning("spares.unusable pid=%d %s", spare.process.pid, exc)
                _end(spare)
                continue
            spare.sock.close()
            self.taken += 1
            return spare.process
        return None

    def close(self) -> None:
        """End all that wait."""
        while self._waiting:
            _end(self._waiting.pop())

    def _start(self, environ: Mapping[str, str]) -> _Spare:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with contextlib.ExitStack() as unless_started:
            unless_started.enter_context(ours)
            process = self._spawn(theirs, environ)
            unless_started.pop_all()
        log.info("spares.started pid=%d", process.pid)
        return _Spare(process, ours)

    def _spawn(self, theirs: socket.socket, environ: Mapping[str, str]) -> _Popen:
        assert self._command is not None
        with theirs, (self._log_dir / LOG).open("ab") as output:
            return subprocess.Popen(
                self._command(theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(theirs.fileno(), *lifecycle.lifeline_fds()),
                env=dict(environ),
            )


def _order(sock: socket.socket, data: bytes, output: int) -> None:
    """Send it all at once: the socket's buffer is larger than any environment."""
    sent = socket.send_fds(sock, [data], [output])
    if sent < len(data):
        raise BlockingIOError("its orders do not fit into the socket")


def _end(spare: _Spare) -> None:
    spare.sock.close()
    with contextlib.suppress(ProcessLookupError):
        spare.process.kill()
    spare.process.wait()
