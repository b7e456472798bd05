"""After its disk was full: a nats-server goes on refusing writes though there is room again.

It keeps the write error of each stream that met one until it is started anew (measured: 2.15), and
its log is where it says so. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

log = logging.getLogger("mesh.embedded.relief")

COMPLAINT: Final = b"no space left on device"
ROOM_BYTES: Final = 8 << 20
LOOK_S: Final = 1.0


class DiskWatch:
    """Reads what the server logs, and looks whether there is room by now."""

    def __init__(self, log_file: Path, store: Path) -> None:
        self._log_file = log_file
        self._store = store
        self._read_bytes = log_file.stat().st_size if log_file.exists() else 0
        self._has_complained = False

    def __repr__(self) -> str:
        return f"<DiskWatch {self._store} complained={self._has_complained}>"

    def must_restart(self) -> bool:
        """Tell, once, that the server has met a full disk that is full no more."""
        self._has_complained = COMPLAINT in self._news() or self._has_complained
        if not self._has_complained or shutil.disk_usage(self._store).free < ROOM_BYTES:
            return False
        self._has_complained = False
        return True

    async def keep(self, restart: Callable[[], None]) -> None:
        """Call `restart` whenever it must be, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self.must_restart():
                log.warning("up.disk_was_full store=%s nats-server starts again", self._store)
                restart()

    def _news(self) -> bytes:
        """What was logged since the last look; a log that was set aside begins anew."""
        try:
            size = self._log_file.stat().st_size
            with self._log_file.open("rb") as file:
                file.seek(self._read_bytes if size >= self._read_bytes else 0)
                news = file.read()
                self._read_bytes = file.tell()
        except OSError:
            return b""
        return news
