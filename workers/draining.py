"""Being asked to stop by the scaler, which may be on another host. Ring: adapter."""

from __future__ import annotations

import asyncio
import logging

from mesh import lifecycle, subjects
from mesh.bus import Bus, Message
from workers.instance import Assignment

log = logging.getLogger("workers.draining")


async def heed(bus: Bus, assigned: Assignment, stop: asyncio.Event) -> None:
    """Listen, for as long as the connection lives."""

    async def hear(message: Message) -> None:
        if stop.is_set():
            return
        after = "; it was started by hand, so nobody starts it again" if assigned.by_hand else ""
        log.warning("worker.asked_to_stop %s%s", message.data.decode(errors="replace"), after)
        lifecycle.ask_to_stop("asked by the scaler")
        stop.set()

    await bus.subscribe(subjects.drain(assigned.address), hear)
