"""Listens to what gateways queue, so that it is known who had which request."""

import contextlib
import json
import time
from collections.abc import AsyncIterator

from mesh import subjects
from mesh.bus import Message
from tests.chaos.journal import Journal, Routed
from tests.chaos.victim import Victim

GATEWAY = 4  # which token of a reply subject is the gateway's name


@contextlib.asynccontextmanager
async def listening(
    victim: Victim, journal: Journal, endpoint: str = "echo", deployment: str = "blue"
) -> AsyncIterator[None]:
    """Note each synchronous request as a gateway queues it."""

    async def note(message: Message) -> None:
        asked = json.loads(message.data)
        gateway = message.reply.split(".")[GATEWAY]
        journal.note(Routed(id=asked["id"], gateway=gateway, at_s=time.monotonic()))

    bus = await victim.admin()
    try:
        await bus.subscribe(subjects.work(endpoint, deployment, "interactive"), note)
        await bus.flush()
        yield
    finally:
        await bus.close()
