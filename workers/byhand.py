"""An instance that a person starts: what it is called, and which generation it is of.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from typing import Final

import msgspec

from mesh import subjects, wire
from mesh.bus import Bucket, Bus, Message
from mesh.errors import SpecError
from mesh.records import DeploymentRecord
from mesh.subjects import CONFIG_BUCKET
from mesh.wire import Depth

log = logging.getLogger("workers.byhand")

TOLD_S: Final = 2.5  # the scaler tells of each deployment once a second
HOST_CHARS: Final = 40


def instance_name(host: str) -> str:
    """Return a name for an instance on this host that no other has."""
    clean = re.sub(r"[^A-Za-z0-9]+", "-", host).strip("-")[:HOST_CHARS] or "host"
    return f"{clean}-{secrets.token_hex(4)}"


async def generation_to_serve(bus: Bus, endpoint: str, deployment: str) -> int:
    """Return the generation that serves a deployment; if no scaler tells, the newest one.

    Raises:
        SpecError: there is no such deployment.
    """
    bucket = await Bucket.open(bus, CONFIG_BUCKET)
    entry = await bucket.get(subjects.deployment_key(endpoint, deployment))
    if entry is None or not entry.value:
        raise SpecError(
            f"--deployment {deployment}: endpoint '{endpoint}' has no deployment of this name"
        )
    serving = await _serving(bus, endpoint, deployment)
    if serving:
        return serving
    newest: int = msgspec.json.decode(entry.value, type=DeploymentRecord).generation
    log.info("worker.generation %d the newest: none is known to serve yet", newest)
    return newest


async def _serving(bus: Bus, endpoint: str, deployment: str) -> int:
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def hear(message: Message) -> None:
        depth = wire.decode(message.data, Depth)
        if depth is not None and depth.serving and not told.done():
            told.set_result(depth.serving)

    subscription = await bus.subscribe(subjects.depth(endpoint, deployment), hear)
    try:
        async with asyncio.timeout(TOLD_S):
            return await told
    except TimeoutError:
        return 0
    finally:
        await subscription.unsubscribe()
