"""A large answer on its way from the broker to a client, chunk by chunk as the client reads it.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from gateway.pipe import Pipe
from mesh import bodies
from mesh.bus import Bus
from mesh.claims import TRANSFER_S, Claim
from mesh.errors import MeshError

log = logging.getLogger("gateway.download")


async def download(
    bus: Bus, claim: Claim, reader: Pipe, begin: Callable[[int], None], window: Callable[[], int]
) -> bool:
    """Hand a body on; False if its reader is gone, or was cut off.

    Args:
        bus: where the body is.
        claim: which body.
        reader: who gets it.
        begin: writes the head of an answer of so many bytes; called once the first piece is here.
        window: how many chunks may be here.

    Raises:
        MeshError: it cannot be had; nothing was written.
    """
    is_begun = False
    try:
        async with (
            asyncio.timeout(TRANSFER_S),
            contextlib.aclosing(bodies.pieces(bus, claim, window)) as pieces,
        ):
            async for piece in pieces:
                if reader.is_gone:
                    return False
                if not is_begun:
                    begin(claim.size_bytes)
                    is_begun = True
                reader.write(piece)
                await reader.drained()
    except (MeshError, TimeoutError) as exc:
        if not is_begun and isinstance(exc, MeshError):
            raise
        log.warning("download.cut_off %s", str(exc) or "the client does not read")
        reader.abort()
        return False
    return not reader.is_gone
