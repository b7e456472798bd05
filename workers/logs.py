"""Console lines on their way to the log stream, many to a message.

Lines wait here while the broker is away, up to a limit; what had to be dropped is said in the
log itself. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Final, Literal

from mesh import subjects, wire
from mesh.bus import Bus
from mesh.errors import BusError
from mesh.subjects import WorkerAddress
from mesh.wire import LogBatch, LogLine

log = logging.getLogger("workers.logs")

LINES_KEPT: Final = 20_000
LINES_PER_MESSAGE: Final = 500
BYTES_PER_MESSAGE: Final = 512 * 1024
FLUSH_S: Final = 0.2


class LogShipper:
    """A bounded buffer of one instance's lines, flushed a few times a second."""

    def __init__(self, bus: Bus, address: WorkerAddress) -> None:
        self._bus = bus
        self._address = address
        self._subject = subjects.log(address)
        self._lines: deque[LogLine] = deque()
        self._dropped = 0
        self._filled = asyncio.Event()

    def __repr__(self) -> str:
        return f"<LogShipper lines={len(self._lines)} dropped={self._dropped}>"

    def add(self, line: LogLine) -> None:
        """Take a line; the oldest is dropped when too many wait."""
        if len(self._lines) >= LINES_KEPT:
            self._lines.popleft()
            self._dropped += 1
        self._lines.append(line)
        self._filled.set()

    def say(
        self,
        text: str,
        container: Literal["inference-server", "storage-initializer"] = "inference-server",
    ) -> None:
        """Add lines of the worker's own."""
        for line in text.splitlines() or [""]:
            self.add(LogLine(at_s=time.time(), stream="worker", text=line, container=container))

    async def run(self) -> None:
        """Flush for ever."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(FLUSH_S)  # gathers lines; not a wait for a condition
            await self.flush()

    async def flush(self) -> None:
        """Publish what waits, as far as the broker takes it."""
        self._filled.clear()
        while self._lines:
            batch = self._take()
            message = LogBatch(
                endpoint=self._address.endpoint,
                deployment=self._address.deployment,
                instance=self._address.instance,
                lines=batch,
            )
            try:
                await self._bus.publish(self._subject, wire.encode(message))
            except BusError as exc:
                log.debug("logs.kept lines=%d %s", len(batch), exc)
                self._lines.extendleft(reversed(batch))
                return

    def _take(self) -> list[LogLine]:
        if self._dropped:
            text = f"({self._dropped} lines were dropped: the broker was away for too long)"
            self._lines.appendleft(LogLine(at_s=time.time(), stream="worker", text=text))
            self._dropped = 0
        batch: list[LogLine] = []
        size = 0
        while self._lines and len(batch) < LINES_PER_MESSAGE and size < BYTES_PER_MESSAGE:
            line = self._lines.popleft()
            size += len(line.text)
            batch.append(line)
        return batch
