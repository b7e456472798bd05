"""Attempt records: how often a runner has died with a message, kept where it survives the worker.

The record is written before a redelivered message runs, so that a worker that dies with it leaves
the count behind. A first delivery costs nothing. Ring: adapter.
"""

from __future__ import annotations

from mesh.bus import Bucket


class Attempts:
    """The records of one deployment's queue; they expire with the bucket's age limit."""

    def __init__(self, bucket: Bucket, stream: str) -> None:
        self._bucket = bucket
        self._stream = stream

    def _key(self, seq: int) -> str:
        return f"{self._stream}.{seq}"

    async def read(self, seq: int) -> int:
        """Return how many attempts have begun, as far as was recorded."""
        entry = await self._bucket.get(self._key(seq))
        return int(entry.value) if entry is not None and entry.value else 0

    async def write(self, seq: int, attempts: int) -> None:
        """Record that `attempts` have begun."""
        await self._bucket.put(self._key(seq), str(attempts).encode())

    async def forget(self, seq: int) -> None:
        """Drop the record of a message that ended."""
        await self._bucket.delete(self._key(seq))
