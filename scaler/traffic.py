"""Changing an endpoint's split, and waiting until every gateway acts on it. Ring: service."""

from __future__ import annotations

import time
from typing import Final

from msgspec.structs import replace

from mesh import subjects
from mesh.events import Events
from mesh.records import EndpointRecord
from mesh.spec.endpoint import EndpointSpec
from scaler.gateways import Gateways
from scaler.registry import Registry, require_deployment, require_endpoint

CONFIRM_S: Final = 5.0


def split_text(spec: EndpointSpec) -> str:
    """Say who gets what: `blue=90 green=10`, and the mirror if there is one."""
    words = [f"{name}={percent}" for name, percent in spec.live.items()]
    words += [f"mirror {name}={percent}" for name, percent in spec.mirror.items()]
    return " ".join(words) or "none"


def has_same_split(one: EndpointSpec, other: EndpointSpec) -> bool:
    """Tell whether two specs route alike."""
    return one.live == other.live and one.mirror == other.mirror


async def unconfirmed(gateways: Gateways, revision: int) -> list[str]:
    """Wait until every live gateway acts on a revision; return a warning for each that does not."""
    return [
        f"gateway {name} has not applied revision {revision} within {CONFIRM_S:g} s"
        for name in await gateways.caught_up(revision, CONFIRM_S)
    ]


async def take_all(
    registry: Registry, gateways: Gateways, events: Events, endpoint: str, name: str
) -> None:
    """Give a deployment all live traffic, as it was created to have.

    Raises:
        ConflictError: somebody else changed the endpoint at the same time, or is deleting it.
        BusError: the broker is away.
    """
    async with registry.lock(endpoint):
        stored = require_endpoint(registry, endpoint)
        spec = replace(
            stored.record.spec,
            traffic={name: 100},
            mirror_traffic={d: p for d, p in stored.record.spec.mirror.items() if d != name},
        )
        record: EndpointRecord = replace(stored.record, spec=spec, modified_at_s=time.time())
        revision = await registry.write(subjects.endpoint_key(endpoint), record, stored.revision)
    await gateways.caught_up(revision, CONFIRM_S)
    async with registry.lock(endpoint):
        mine = require_deployment(registry, endpoint, name)
        done = replace(mine.record, all_traffic=False)
        await registry.write(subjects.deployment_key(endpoint, name), done, mine.revision)
    await events.tell("TrafficChanged", endpoint, "", split_text(spec))
