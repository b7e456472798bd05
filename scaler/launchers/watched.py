"""A process that is an instance: its handle, its environment, and how an unknown one is found.

Ring: adapter.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping

import psutil

from mesh import lifecycle
from mesh.gpus import VISIBLE
from mesh.process import THREADS, Identity
from scaler.launchers import Need, Place, Running
from scaler.launchers.ledger import InstanceRecord


class Watched:
    """One process under watch. `popen` is None for one that an earlier scaler started."""

    def __init__(
        self, running: Running, identity: Identity, popen: subprocess.Popen[bytes] | None
    ) -> None:
        self.running = running
        self.identity = identity
        self.popen = popen
        self.pidfd = os.pidfd_open(running.pid)

    def __repr__(self) -> str:
        return f"<Watched {self.running.pid}>"

    def signal(self, number: signal.Signals) -> None:
        """Signal this very process, whoever has its pid by now."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def kill_session(self) -> None:
        """Kill it and what it started: it leads its own session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.running.pid, signal.SIGKILL)

    def code(self) -> int | None:
        """The exit code, once it has ended."""
        if self.popen is not None:
            return self.popen.wait()
        with contextlib.suppress(ChildProcessError):  # adopted: hardly ever a child of ours
            return os.waitstatus_to_exitcode(os.waitpid(self.running.pid, os.WNOHANG)[1])
        return None

    def let_go(self) -> None:
        """Watch it no more; it is meant to outlive us."""
        os.close(self.pidfd)
        if self.popen is not None:
            self.popen.returncode = 0  # no warning


def environment(need: Need, place: Place, ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return ours without what `mesh up` told us about ourselves, and with what it is given.

    That is its GPUs, and how many threads it should start where nobody has said it.
    """
    own = (lifecycle.READY_ENV, lifecycle.NAME_ENV)
    env = {name: value for name, value in ours.items() if name not in own}
    threads = dict.fromkeys(THREADS, str(need.threads)) if need.threads else {}
    return {**threads, **env, VISIBLE: place.visible}


def find(record: InstanceRecord) -> Identity | None:
    """Find a process by the instance it was started for: its pid was never written down."""
    words = list(record.address)
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if all(word in line for word in words):
            return Identity.of(process.pid)
    return None
