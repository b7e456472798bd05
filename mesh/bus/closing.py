"""Ending subscriptions and connections: in good order, but without waiting for an absent broker.

A broker and its clients are often told to stop at the same moment. The client library's drain then
waits for answers that cannot come, and its close writes to a socket that is gone. Ring: adapter.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from nats.aio.client import Client

DRAIN_S: Final = 5.0
CLOSE_S: Final = 1.0


async def close_client(client: Client, away: asyncio.Event) -> None:
    """Deliver what has arrived and send what is pending, as long as there is a broker."""
    if client.is_connected:
        draining = asyncio.ensure_future(_drain(client))
        lost = asyncio.ensure_future(away.wait())
        waited_for = {draining, lost}
        await asyncio.wait(waited_for, timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED)
        for task in waited_for:
            task.cancel()
        await asyncio.gather(*waited_for, return_exceptions=True)
    if away.is_set():  # nobody will take it any more, and the library would fail on trying
        client._pending = []
        client._pending_data_size = 0
    # In a task of its own: where the library cancels what its close waits for, nobody who waits for
    # us is meant.
    closing = asyncio.ensure_future(client.close())
    try:
        await asyncio.wait({closing}, timeout=CLOSE_S)
    finally:
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)


async def flush(client: Client) -> None:
    """Wait until the broker has seen everything published and subscribed so far."""
    await client.flush()
    # The client puts a PING before what it has yet to send; a second one comes after.
    await client.flush()


async def drain_subscription(client: Client, subscription: Any) -> None:
    """End a subscription once all that was sent to it is delivered.

    The library's own drain sends its PING before the UNSUB, so it drops what the broker sends
    between the two.
    """
    try:
        await client._send_unsubscribe(subscription._id)
        await flush(client)
        await subscription._pending_queue.join()
    finally:
        subscription._closed = True
        subscription._stop_processing()
        client._remove_sub(subscription._id)


async def _drain(client: Client) -> None:
    """The library's own drain cannot be cancelled."""
    subscriptions: list[Any] = list(client._subs.values())
    draining = [asyncio.ensure_future(drain_subscription(client, one)) for one in subscriptions]
    try:
        if draining:
            await asyncio.wait(draining)
        await client.flush()
    finally:
        for task in draining:
            task.cancel()
        await asyncio.gather(*draining, return_exceptions=True)
