"""A process of the worker's: its console, and its end together with all that it has started.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable

from mesh.wire import LogLine
from workers.console import ConsolePipe


class Child:
    """A started process that leads a session of its own. `on_end` hears its return code, once."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        on_line: Callable[[LogLine], None],
        on_end: Callable[[int], None],
    ) -> None:
        self._process = process
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._pipes = [
            ConsolePipe(process.stdout, "stdout", on_line),
            ConsolePipe(process.stderr, "stderr", on_line),
        ]
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._end)
        self.pid = process.pid
        self.gone = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Child {self.pid}>"

    def send(self, sig: signal.Signals) -> None:
        """Send it a signal; harmless if it has ended."""
        if not self.gone.is_set():
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """End it and whatever it has started; `on_end` follows."""
        if not self.gone.is_set():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _end(self) -> None:
        self.kill()  # what it started and left behind; its pid is still taken
        for pipe in self._pipes:
            pipe.close()
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.gone.set()
        self._on_end(self._process.wait())
