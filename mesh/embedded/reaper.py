"""Starting processes and hearing of their end, orphaned descendants included.

`mesh up` adopts every descendant whose parent ended, so it must reap strangers beside its own
children; one SIGCHLD handler tells them apart. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from mesh.process import Identity, die_with_parent

log = logging.getLogger("mesh.embedded.reaper")

# The folder the programs' packages lie in. `python -m gateway` looks into its working folder
# first, and a user's own folder of that name must not be started instead of ours.
PACKAGES = Path(__file__).resolve().parents[2]


class Running:
    """A child. `ended` holds its exit code, negative for a signal, once it has ended."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self.popen = popen
        self.identity = Identity.of(popen.pid) or Identity(pid=popen.pid)
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"<Running {self.popen.pid} {'ended' if self.ended.done() else 'alive'}>"

    def send(self, sig: signal.Signals) -> None:
        """Send a signal; harmless if it has ended.

        Not by the Popen: that would collect a child that has just ended, unseen by the reaper.
        """
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.popen.pid, sig)

    async def stop(self, grace_s: float) -> bool:
        """Ask it to end and wait; kill it after `grace_s`. Tell whether it ended by itself."""
        self.send(signal.SIGTERM)
        await asyncio.wait([self.ended], timeout=grace_s)
        if self.ended.done():
            return True
        self.send(signal.SIGKILL)
        await self.wait()
        return False

    async def wait(self) -> int:
        """Wait for its end and return the exit code; who is cancelled here cancels nobody else."""
        return await asyncio.shield(self.ended)


class Reaper:
    """The children of this process, its own and the adopted ones."""

    def __init__(self) -> None:
        self._running: dict[int, Running] = {}

    def __repr__(self) -> str:
        return f"<Reaper children={len(self._running)}>"

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator[Reaper]:
        """Reap from now on. Kills whatever is left at the end."""
        reaper = cls()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, reaper.reap)
        try:
            yield reaper
        finally:
            reaper.kill_all()
            loop.remove_signal_handler(signal.SIGCHLD)

    def start(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        pass_fds: Sequence[int] = (),
        dies_with_us: bool = False,
    ) -> Running:
        """Start a child in a process group of its own, so that Ctrl-C reaches us alone.

        Raises:
            OSError: there is no such program.
        """
        popen = subprocess.Popen(
            command,
            env=dict(environ),
            cwd=PACKAGES,
            stdin=subprocess.DEVNULL,
            stdout=2,
            pass_fds=pass_fds,
            process_group=0,
            preexec_fn=die_with_parent() if dies_with_us else None,  # noqa: PLW1509 - prctl only
        )
        running = Running(popen)
        self._running[popen.pid] = running
        return running

    def reap(self) -> None:
        """Collect everybody who has ended."""
        while True:
            try:
                seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if seen is None:
                return
            running = self._running.pop(seen.si_pid, None)
            if running is None:
                os.waitpid(seen.si_pid, 0)
                log.debug("up.reaped pid=%d", seen.si_pid)
            else:
                running.ended.set_result(running.popen.wait())

    def strangers(self) -> list[Identity]:
        """Return the living descendants that are not children this process started."""
        mine = set(self._running)
        found: list[Identity] = []
        for process in psutil.Process().children(recursive=True):
            identity = Identity.of(process.pid)
            if identity is not None and process.pid not in mine and identity.is_alive():
                found.append(identity)
        return found

    def kill_strangers(self) -> None:
        """End at once every descendant that is no child of ours."""
        for identity in self.strangers():
            log.warning("up.killed stranger pid=%d", identity.pid)
            identity.send(signal.SIGKILL)

    def kill_all(self) -> None:
        """End every descendant at once and reap it: the last resort, and the last step."""
        self.kill_strangers()
        for running in list(self._running.values()):
            running.send(signal.SIGKILL)
            running.popen.wait()
        self._running.clear()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
