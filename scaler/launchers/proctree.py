"""The processes of this machine, read in one pass, and which of them belong to an instance.

Ring: adapter (reads /proc).
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

PROC: Final = "/proc"
STAT_BYTES: Final = 1024
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Proc(msgspec.Struct, frozen=True):
    """A process: its parent, its session, when it began (clock ticks), its resident memory."""

    pid: int
    parent: int
    session: int
    began: int
    rss_bytes: int


Table = Mapping[int, Proc]


def read_table(pids: Iterable[int] | None = None, proc: str = PROC) -> dict[int, Proc]:
    """Return the processes with these pids, or every one there is."""
    if pids is None:
        pids = [int(name) for name in os.listdir(proc) if name.isdecimal()]
    found = (read_one(pid, proc) for pid in pids)
    return {process.pid: process for process in found if process is not None}


def read_one(pid: int, proc: str = PROC) -> Proc | None:
    """Return one process, None if it has ended."""
    try:
        fd = os.open(f"{proc}/{pid}/stat", os.O_RDONLY)
        try:
            text = os.read(fd, STAT_BYTES)
        finally:
            os.close(fd)
    except OSError:
        return None
    words = text.rpartition(b")")[2].split()  # the name before may hold anything
    rss_bytes = int(words[21]) * PAGE_BYTES
    return Proc(pid, int(words[1]), int(words[3]), int(words[19]), rss_bytes)


def members(table: Table, root: int, sessions: Iterable[int] = ()) -> list[Proc]:
    """Return a process with all it has started, theirs included.

    Args:
        table: every process.
        root: the first of them.
        sessions: further sessions that belong to it: the leader of one may have ended.
    """
    found: dict[int, Proc] = {}
    known = {root, *sessions}
    grew = True
    while grew:
        more = [
            process
            for process in table.values()
            if process.pid not in found
            and (process.pid == root or process.parent in found or process.session in known)
        ]
        grew = bool(more)
        found |= {process.pid: process for process in more}
        known |= {process.session for process in more if process.session in found}
    return list(found.values())


def proportional_bytes(process: Proc, proc: str = PROC) -> int:
    """Return its memory, what it shares with others counted in parts; resident if not known."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(proc, str(process.pid), "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return process.rss_bytes


def kill(process: Proc) -> None:
    """Kill this very process, whoever has its pid by now; harmless if it has ended."""
    with contextlib.suppress(ProcessLookupError):
        fd = os.pidfd_open(process.pid)
        try:
            now = read_one(process.pid)
            if now is not None and now.began == process.began:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)


def tree(root: int) -> list[int]:
    """Return a process and all it has started that still have their parents, by pid."""
    found = [root]
    for pid in found:  # it grows meanwhile
        for thread in threads(pid):
            with contextlib.suppress(OSError):
                children = Path(PROC, str(pid), "task", str(thread), "children").read_text()
                found += map(int, children.split())
    return found


def threads(pid: int) -> list[int]:
    """Return the threads of a process."""
    try:
        return [int(name) for name in os.listdir(f"{PROC}/{pid}/task")]
    except OSError:
        return []
