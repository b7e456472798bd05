"""Requests that wait, and people who wait for them: how many are before one, and for how long.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request

from mesh import subjects
from mesh.bus import Bus
from mesh.jobs import JobStatus
from mesh.streams import consumer_info
from mesh.tasks import end
from mesh.wire import Depth


async def position(bus: Bus, endpoint: str, status: JobStatus) -> int | None:
    """Return about how many requests are before one in its lane; None if that is not known.

    Numbers are given to all lanes together, so there may be fewer.

    Raises:
        BusError: the broker cannot say.
    """
    if not status.seq:
        return None
    stream = subjects.work_stream(endpoint, status.deployment)
    info = await consumer_info(bus, stream, status.lane)
    if info is None:
        return None
    between: int = status.seq - info["delivered"]["stream_seq"] - 1
    waiting: int = info["num_pending"]
    return max(0, min(between, waiting - 1))


def estimate_s(depth: Depth | None, ahead: int | None) -> float | None:
    """Return how many seconds a request may wait behind `ahead` others; None if nobody knows.

    Requests of callers who wait come first, so those there are now are counted too.
    """
    if depth is None or ahead is None or not depth.slots or not depth.service.answered:
        return None
    before = ahead + depth.lanes.get("interactive", 0)
    return round(before * depth.service.mean_s / depth.slots, 3)


async def disconnected(request: Request) -> None:
    """Wait until the client has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def any_of(limit_s: float, *waits: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of several things has happened, at most `limit_s` seconds."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(tasks)
