"""A key-value bucket: compare-and-set writes and a watch.

A thin cover of the client library's bucket that speaks our errors. Ring: adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Self

import nats.js.errors
from nats.js.kv import KeyValue

from mesh.bus.connection import Bus
from mesh.bus.message import FOREIGN
from mesh.errors import ConflictError, translate


class Entry(NamedTuple):
    """A key's value at a revision; `value` None means deleted."""

    key: str
    value: bytes | None
    revision: int


class Bucket:
    """One key-value bucket. Revisions count over the whole bucket."""

    def __init__(self, name: str, kv: KeyValue) -> None:
        self.name = name
        self._kv = kv
        self._stopping: set[asyncio.Future[Any]] = set()

    def __repr__(self) -> str:
        return f"<Bucket {self.name}>"

    @classmethod
    async def open(cls, bus: Bus, name: str) -> Self:
        """Open a bucket that exists.

        Raises:
            BusError: there is none of that name, or the broker is away.
        """
        with translate(FOREIGN, bucket=name):
            return cls(name, await bus.client.jetstream().key_value(name))

    async def get(self, key: str) -> Entry | None:
        """Return the latest value of `key`, None if there is none."""
        with translate(FOREIGN, key=key):
            try:
                entry = await self._kv.get(key)
            except nats.js.errors.KeyNotFoundError:
                return None
        if entry.value is None or entry.revision is None:
            return None
        return Entry(key, entry.value, entry.revision)

    async def put(self, key: str, value: bytes) -> int:
        """Write whatever is there; return the revision."""
        with translate(FOREIGN, key=key):
            return await self._kv.put(key, value)

    async def create(self, key: str, value: bytes) -> int:
        """Write a key that does not exist.

        Raises:
            ConflictError: it exists.
        """
        with translate({nats.js.errors.KeyWrongLastSequenceError: ConflictError, **FOREIGN}):
            return await self._kv.create(key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write a key whose latest revision is `revision`.

        Raises:
            ConflictError: somebody else wrote it since.
        """
        with translate({nats.js.errors.KeyWrongLastSequenceError: ConflictError, **FOREIGN}):
            return await self._kv.update(key, value, last=revision)

    async def delete(self, key: str) -> None:
        """Delete a key; harmless if there is none."""
        with translate(FOREIGN, key=key):
            await self._kv.delete(key)

    async def watch(self, pattern: str = ">") -> Watch:
        """Watch every key that matches, the present values first."""
        opening = asyncio.ensure_future(self._kv.watch(pattern))
        try:
            with translate(FOREIGN, bucket=self.name):
                return Watch(await asyncio.shield(opening))
        except asyncio.CancelledError:
            opening.add_done_callback(self._stop_unread)
            raise

    def _stop_unread(self, opening: asyncio.Future[Any]) -> None:
        """End a watch whose opener was cancelled: it would hold up the connection's end."""
        if not opening.cancelled() and opening.exception() is None:
            stopping = asyncio.ensure_future(opening.result().stop())
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)


class Watch:
    """A running watch. Yields entries; None once, after the values present at its start."""

    def __init__(self, watcher: Any) -> None:
        self._watcher = watcher

    async def __aiter__(self) -> AsyncIterator[Entry | None]:
        async for entry in self._watcher:
            if entry is None:
                yield None
            else:
                gone = entry.operation in ("DEL", "PURGE")
                yield Entry(entry.key, None if gone else entry.value or b"", entry.revision)

    async def stop(self) -> None:
        """End the watch."""
        with translate(FOREIGN):
            await self._watcher.stop()
