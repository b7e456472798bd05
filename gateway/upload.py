"""A large body on its way from a client into the broker, chunk by chunk as it comes.

Never more than a few chunks are here: while the broker has not confirmed them, the client is not
read from. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import NamedTuple, Protocol

from gateway.pipe import Pipe
from gateway.shares import Shares
from mesh import bodies
from mesh.bus import Bus
from mesh.claims import Claim
from mesh.errors import MeshError


class Ends(NamedTuple):
    """Who hears how it ended: one of the two is called once, unless it is cancelled."""

    stored: Callable[[Claim], None]
    failed: Callable[[MeshError], None]


class Store(NamedTuple):
    """How a body is stored: how long it lives from now on, beside which others, and its digest.

    `digest` is that of what has come, None if nobody asks for it.
    """

    ttl_s: float
    shares: Shares
    digest: Digest | None = None


class Digest(Protocol):
    """What `hashlib.sha256()` makes."""

    def update(self, data: bytes) -> None:
        """Take a piece."""

    def digest(self) -> bytes:
        """Return the digest of all that was taken."""


class Upload:
    """One body. `feed` it, then `finish` it; or `cancel` it, and its chunks end by themselves."""

    def __init__(self, bus: Bus, source: Pipe, ends: Ends, store: Store) -> None:
        self._bus = bus
        self._source = source
        self._ends = ends
        self._shares = shares = store.shares
        self._digest = store.digest
        self._loop = asyncio.get_running_loop()
        self._until_s = self._loop.time() + store.ttl_s
        self._id = uuid.uuid4().hex
        self._buffer = bytearray()
        self._tasks: set[asyncio.Task[None]] = set()
        self._size_bytes = 0
        self._chunks = 0
        self._chunk_bytes = bodies.chunk_bytes(bus)
        self._is_whole = False
        self._is_over = False
        shares.open += 1

    def __repr__(self) -> str:
        return f"<Upload {self._id} {self._size_bytes} bytes, {len(self._tasks)} unconfirmed>"

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        if not self._is_over:
            self._size_bytes += len(data)
            self._buffer += data
            if self._digest is not None:
                self._digest.update(data)
            self._push()

    def digest(self) -> bytes:
        """Return the SHA-256 of what has come, empty if nobody was to ask for it."""
        return self._digest.digest() if self._digest is not None else b""

    def finish(self) -> None:
        """Note that all has come."""
        self._is_whole = True
        self._push()

    def cancel(self) -> None:
        """Give it up; harmless when it is over."""
        if self._is_over:
            return
        self._settle()
        for task in self._tasks:
            task.cancel()
        self._source.resume()  # what still comes is dropped

    def _push(self) -> None:
        """Send what there is and may be sent; read on only if all of it was."""
        while self._has_chunk and len(self._tasks) < self._shares.window():
            self._send(bytes(self._buffer[: self._chunk_bytes]))
            del self._buffer[: self._chunk_bytes]
        if self._has_chunk:
            self._source.pause()
        elif not self._is_whole:
            self._source.resume()
        elif not self._tasks:
            self._settle()
            self._ends.stored(Claim(self._id, self._size_bytes, self._chunks))

    def _settle(self) -> None:
        self._is_over = True
        self._shares.open -= 1
        self._buffer.clear()

    @property
    def _has_chunk(self) -> bool:
        return len(self._buffer) >= (1 if self._is_whole else self._chunk_bytes)

    def _send(self, data: bytes) -> None:
        ttl_s = self._until_s - self._loop.time()
        sending = bodies.put(self._bus, self._id, self._chunks, data, ttl_s)
        self._chunks += 1
        task = asyncio.create_task(sending)
        self._tasks.add(task)
        task.add_done_callback(self._note)

    def _note(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._is_over or task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._push()
            return
        self.cancel()
        self._ends.failed(error if isinstance(error, MeshError) else MeshError())
