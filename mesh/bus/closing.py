"""Ending a connection: in good order while the broker is there, without waiting when it is not.

A broker and its clients are often told to stop at the same moment. The client library's drain then
waits for answers that cannot come, and its close writes to a socket that is gone. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import nats.errors
from nats.aio.client import Client

DRAIN_S: Final = 5.0
CLOSE_S: Final = 1.0


async def close_client(client: Client, away: asyncio.Event) -> None:
    """Deliver what has arrived and send what is pending, as long as there is a broker."""
    if client.is_connected and await _drained(client, away):
        return
    # Nobody will take it any more, and the library would fail on trying.
    client._pending = []
    client._pending_data_size = 0
    with contextlib.suppress(nats.errors.Error, OSError, RuntimeError, TimeoutError):
        await asyncio.wait_for(client.close(), CLOSE_S)


async def _drained(client: Client, away: asyncio.Event) -> bool:
    draining = asyncio.ensure_future(client.drain())
    lost = asyncio.ensure_future(away.wait())
    try:
        await asyncio.wait({draining, lost}, timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED)
        return draining.done() and draining.exception() is None
    finally:
        lost.cancel()
        draining.add_done_callback(lambda task: task.cancelled() or task.exception())
        draining.cancel()
