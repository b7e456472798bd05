"""The shared memory cell in which a runner tells what it has begun; it survives a crash.

A request is begun in the order in which it was handed over, so a count says exactly which ones
are. Written without a system call before each run(). Shared by both sides. Ring: adapter.
"""

from __future__ import annotations

import mmap
import struct
from typing import NamedTuple

CELL_BYTES = 4096
# The time is written first: a reader in between sees an old request with a new time, which at
# worst makes it look younger. Native order: whole words, so neither can be seen half written.
_CELL = struct.Struct("@QQ")


class Begun(NamedTuple):
    """How many requests have been begun, and when (monotonic seconds) the last one was."""

    requests: int
    at_s: float


class Cell:
    """One mapping of the cell."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, CELL_BYTES)

    def write(self, count: int, at_ns: int) -> None:
        """Tell that `count` requests have been begun, the last one at `at_ns`."""
        _CELL.pack_into(self._map, 0, at_ns, count)

    def read(self) -> Begun:
        """Return what was told last."""
        at_ns, count = _CELL.unpack_from(self._map)
        return Begun(count, at_ns / 1e9)

    def close(self) -> None:
        """Unmap it."""
        self._map.close()
