"""What the instances of a deployment printed, read back line by line. Ring: adapter."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from mesh import history, subjects, wire
from mesh.bus import Bus
from mesh.subjects import WorkerAddress
from mesh.wire import LogBatch, LogLine

DEFAULT_LINES: Final = 5000
TRIM_LINES: Final = 1000


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines to read: the last `lines`, then with `follow` those printed from now on.

    `container` is `inference-server` or `storage-initializer`, None for both.
    """

    endpoint: str
    deployment: str
    instance: str | None = None
    container: str | None = "inference-server"
    lines: int = DEFAULT_LINES
    follow: bool = False


class ConsoleLine(NamedTuple):
    """A line and the instance that printed it."""

    instance: str
    line: LogLine


async def read_console(bus: Bus, query: LogQuery) -> AsyncGenerator[ConsoleLine]:
    """Yield the lines a query asks for; in the past by time, live ones as they arrive."""
    subject = subjects.log(WorkerAddress(query.endpoint, query.deployment, query.instance or "*"))
    tail: _Tail | None = _Tail(query.lines)
    messages = history.read(
        bus, subjects.LOGS_STREAM, subject, newest=query.lines, follow=query.follow
    )
    async with contextlib.aclosing(messages):
        async for past in messages:
            found: Iterable[ConsoleLine] = _lines(past.data, query)
            if tail is not None:
                tail.add(found)
                if past.pending:
                    continue
                found, tail = tail.newest(), None
            for line in found:
                yield line


class _Tail:
    """The newest of many lines by time; they arrive in batches, an instance each."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: list[ConsoleLine] = []

    def add(self, lines: Iterable[ConsoleLine]) -> None:
        self._lines.extend(lines)
        if len(self._lines) > 2 * self._most + TRIM_LINES:
            self._lines = self.newest()

    def newest(self) -> list[ConsoleLine]:
        ordered = sorted(self._lines, key=lambda line: line.line.at_s)
        return ordered[max(0, len(ordered) - self._most) :]


def _lines(data: bytes, query: LogQuery) -> Iterator[ConsoleLine]:
    batch = wire.decode(data, LogBatch)
    for line in batch.lines if batch else ():
        if query.container in (None, line.container):
            yield ConsoleLine(batch.instance if batch else "", line)
