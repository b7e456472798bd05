"""Large bodies in the broker: written and read in chunks, a few of them on their way at a time.

Nobody deletes a body: each chunk has a time to live, so that none is left whatever happens to those
who wrote or would have read it. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Final

from mesh import subjects, wire
from mesh.bus import ApiError, Bus
from mesh.claims import CHUNK_BYTES, Claim
from mesh.errors import BusError, CapacityError, ProtocolError
from mesh.streams import is_full, last_message, store
from mesh.tasks import end

WINDOW: Final = 3
OUTAGE_S: Final = 15.0
AGAIN_S: Final = 0.1


def chunk_bytes(bus: Bus) -> int:
    """How large a chunk is: a server may take less in one message than `mesh up`'s does."""
    return min(CHUNK_BYTES, bus.max_body_bytes)


async def put(bus: Bus, body_id: str, index: int, data: bytes, ttl_s: float) -> None:
    """Store one chunk, confirmed.

    Raises:
        CapacityError: the stream is full.
        BusError: it could not be stored, or nobody knows.
    """
    headers = {wire.MSG_TTL: f"{max(1, math.ceil(ttl_s))}s"}
    try:
        await store(bus, subjects.body(body_id, index), data, headers)
    except ApiError as exc:
        if is_full(exc.err_code, exc.message):
            raise CapacityError("the store of large bodies is full") from exc
        raise


async def write(
    bus: Bus, body_id: str, body: bytes, ttl_s: float, on_stored: Callable[[], None]
) -> Claim:
    """Store a body; `on_stored` is called after each chunk.

    Raises:
        CapacityError: the stream is full.
        BusError: it could not be stored, or nobody knows.
    """
    view, size = memoryview(body), chunk_bytes(bus)
    count = math.ceil(len(body) / size)
    pending: deque[asyncio.Task[None]] = deque()
    try:
        for index in range(count):
            if len(pending) >= WINDOW:
                await pending.popleft()
                on_stored()
            data = bytes(view[index * size : (index + 1) * size])
            pending.append(asyncio.create_task(put(bus, body_id, index, data, ttl_s)))
        while pending:
            await pending.popleft()
            on_stored()
    finally:
        await end(pending)
    return Claim(body_id, len(body), count)


async def get(bus: Bus, claim: Claim, index: int) -> bytes:
    """Return one chunk; asked for again if the broker goes away, as it is there when it is back.

    Raises:
        ProtocolError: it is not there (any more).
        BusError: the broker cannot say.
    """
    subject, loop = subjects.body(claim.id, index), asyncio.get_running_loop()
    until_s = loop.time() + OUTAGE_S
    while True:
        try:
            message = await last_message(bus, subjects.BODIES_STREAM, subject)
        except BusError:
            if loop.time() > until_s:
                raise
            await asyncio.sleep(AGAIN_S)
            continue
        if message is None:
            which = f"chunk {index + 1} of {claim.chunks}"
            raise ProtocolError(f"the body is not there, or no longer: {which} is missing")
        return message.data


async def pieces(
    bus: Bus, claim: Claim, window: Callable[[], int] = lambda: WINDOW
) -> AsyncGenerator[bytes, None]:
    """Yield the chunks in order, at most `window` of them asked for at a time.

    Raises:
        ProtocolError: one is missing, or they are not as many bytes as the claim says.
        BusError: the broker cannot say.
    """
    asked: deque[asyncio.Task[bytes]] = deque()
    following, size_bytes = 0, 0
    try:
        for index in range(claim.chunks):
            while following < claim.chunks and following < index + max(1, window()):
                asked.append(asyncio.create_task(get(bus, claim, following)))
                following += 1
            piece = await asked.popleft()
            size_bytes += len(piece)
            if size_bytes > claim.size_bytes or not piece:
                break
            yield piece
    finally:
        await end(asked)
        await asyncio.gather(*asked, return_exceptions=True)  # what failed was told by the first
    if size_bytes != claim.size_bytes:
        raise ProtocolError(f"the body has not the {claim.size_bytes} bytes it should have")


async def read(bus: Bus, claim: Claim) -> bytes:
    """Return a whole body.

    Raises:
        ProtocolError: it is not there (any more).
        BusError: the broker cannot say.
    """
    async with contextlib.aclosing(pieces(bus, claim)) as found:
        return b"".join([piece async for piece in found])
