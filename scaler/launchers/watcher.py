"""Limits where cgroups may not be used: whole cores by affinity, memory by looking.

The memory of an instance is that of all its processes, what they share counted once. Beyond the
limit its largest process is killed: a runner, which the worker starts again, or the worker itself
and with it the instance. Ring: adapter.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from typing import Final

from mesh.figures import size_text
from mesh.subjects import WorkerAddress
from scaler.launchers import Running
from scaler.launchers.limits import Overrun, out_of_memory
from scaler.launchers.proctree import (
    Proc,
    Table,
    kill,
    members,
    proportional_bytes,
    read_table,
    threads,
    tree,
)

FULL_LOOK: Final = 4
TEXT: Final = "whole cores by affinity, memory by a watcher"


class _Held:
    """An instance with a memory limit. `victim` was killed and may not be gone yet."""

    def __init__(self, running: Running) -> None:
        self.address = running.address
        self.pid = running.pid
        self.limit_bytes = running.need.memory_bytes
        self.sessions: set[int] = set()
        self.victim: Proc | None = None
        self.kills = 0

    def __repr__(self) -> str:
        return f"<_Held {self.pid} limit={self.limit_bytes}>"

    @property
    def text(self) -> str:
        """What has happened to it; empty if nothing."""
        return out_of_memory(size_text(self.limit_bytes), self.kills) if self.kills else ""


class Watcher:
    """Looks at the instances' memory; `why` says why there is nothing better."""

    binds_cores = True

    def __init__(self, why: str = "") -> None:
        self._held: dict[WorkerAddress, _Held] = {}
        self._looks = 0
        self._seen: set[int] = set()
        self.text = f"{TEXT} ({why})" if why else TEXT

    def __repr__(self) -> str:
        return f"<Watcher held={len(self._held)}>"

    def hold(self, running: Running) -> None:
        """Bind a process to its cores, and look at its memory from now on."""
        if running.need.memory_bytes:
            self._held.setdefault(running.address, _Held(running))
            self._looks = 0
        if running.place.cpus:
            for thread in (thread for pid in tree(running.pid) for thread in threads(pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(thread, running.place.cpus)

    def check(self) -> Sequence[Overrun]:
        """Look at everybody once, and kill what is beyond its limit.

        Who has started further processes is seen at every fourth look, which asks for all.
        """
        if not self._held:
            return ()
        table = read_table(self._seen if self._looks % FULL_LOOK else None)
        self._looks += 1
        self._seen.clear()
        return [
            Overrun(address=held.address, text=held.text)
            for held in list(self._held.values())
            if self._look_at(held, table)
        ]

    def release(self, address: WorkerAddress) -> str:
        """Forget an instance; tell why, if it was killed."""
        held = self._held.pop(address, None)
        return held.text if held is not None else ""

    def _look_at(self, held: _Held, table: Table) -> bool:
        """Kill the largest process of an instance if that has used up its memory; tell if so."""
        processes = members(table, held.pid, held.sessions)
        self._seen |= {process.pid for process in processes}
        if held.victim is not None and _is_there(held.victim, table):
            return False
        leaders = {process.pid for process in processes if process.session == process.pid}
        held.sessions = (held.sessions | leaders) & {process.session for process in processes}
        if sum(process.rss_bytes for process in processes) <= held.limit_bytes:
            return False
        exact = {process: proportional_bytes(process) for process in processes}
        if not exact or sum(exact.values()) <= held.limit_bytes:
            return False
        held.victim = max(exact, key=lambda process: exact[process])
        held.kills += 1
        _end(held.victim, held.pid)
        return True


def _is_there(victim: Proc, table: Table) -> bool:
    """Tell whether a killed process still has memory."""
    now = table.get(victim.pid)
    return now is not None and now.began == victim.began and now.rss_bytes > 0


def _end(victim: Proc, root: int) -> None:
    """Kill a process; the first one of an instance together with its group."""
    if victim.pid == root:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(root, signal.SIGKILL)
    else:
        kill(victim)
