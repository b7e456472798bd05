"""Attempt records: how often runners died with a message, or models failed it; workers may die.

The record is written before a redelivered message runs, so that a worker that dies with it leaves
the count behind. A first delivery costs nothing. Ring: adapter.
"""

from __future__ import annotations

from typing import NamedTuple

from mesh.bus import Bucket


class Tried(NamedTuple):
    """How often a message was begun without coming to an end, and how often the model failed it."""

    begun: int = 0
    errors: int = 0


class Attempts:
    """The records of one deployment's queue; they expire with the bucket's age limit."""

    def __init__(self, bucket: Bucket, stream: str) -> None:
        self._bucket = bucket
        self._stream = stream

    def _key(self, seq: int) -> str:
        return f"{self._stream}.{seq}"

    async def read(self, seq: int) -> Tried:
        """Return what has become of it so far, as far as was recorded."""
        entry = await self._bucket.get(self._key(seq))
        if entry is None or not entry.value:
            return Tried()
        return Tried(*(int(count) for count in entry.value.split(b",")))

    async def write(self, seq: int, tried: Tried) -> None:
        """Record what has become of it."""
        await self._bucket.put(self._key(seq), f"{tried.begun},{tried.errors}".encode())

    async def forget(self, seq: int) -> None:
        """Drop the record of a message that ended."""
        await self._bucket.delete(self._key(seq))
