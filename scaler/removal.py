"""Deleting what was asked to be deleted, in the order that loses no request.

Desired state is marked first; when no gateway sends any more, the queue is empty and the processes
are gone, the records go, then the queue. Ring: service.
"""

from __future__ import annotations

import logging
import time

from msgspec.structs import replace

from mesh import subjects
from mesh.bus import Bucket, Bus
from mesh.events import Events
from mesh.records import DeploymentRecord
from mesh.streams import delete_stream, forget
from scaler.gateways import Gateways
from scaler.registry import Registry, Stored
from scaler.requeue import requeue
from scaler.states import States

log = logging.getLogger("scaler.removal")


class Removals:
    """Removes deployments and endpoints that are marked for it."""

    def __init__(
        self, bus: Bus, registry: Registry, states: States, gateways: Gateways, events: Events
    ) -> None:
        self._bus = bus
        self._registry = registry
        self._states = states
        self._gateways = gateways
        self._events = events

    def __repr__(self) -> str:
        return f"<Removals over {self._registry!r}>"

    def is_unrouted(self, stored: Stored[DeploymentRecord]) -> bool:
        """Tell whether every live gateway knows that the deployment is not to get requests."""
        return self._gateways.is_settled() and not self._gateways.behind(stored.revision)

    async def mark(self, stored: Stored[DeploymentRecord]) -> Stored[DeploymentRecord]:
        """Ask for a deployment to be deleted; return its new record.

        Raises:
            ConflictError: it was changed at the same time.
        """
        spec = stored.record.spec
        record = replace(stored.record, deleting=True, modified_at_s=time.time())
        key = subjects.deployment_key(spec.endpoint_name, spec.name)
        revision = await self._registry.write(key, record, stored.revision)
        await self._events.tell("StateChanged", spec.endpoint_name, spec.name, "Deleting")
        return Stored(record, revision)

    async def deployment(self, endpoint: str, name: str) -> None:
        """Remove a deployment that has no processes any more: records first, then the queue."""
        async with self._registry.lock(endpoint):
            kept = self._registry.generations(endpoint, name)
            await self._registry.delete(
                subjects.deployment_key(endpoint, name),
                *(subjects.generation_key(endpoint, name, generation) for generation in kept),
            )
            await self._states.delete(endpoint, name)
            await self._remove_queue(endpoint, name)
            await forget(self._bus, subjects.LOAD_STREAM, subjects.load(endpoint, name))
        await self._events.tell("Deleted", endpoint, name)

    async def endpoint(self, endpoint: str) -> None:
        """Mark the deployments of a deleted endpoint; remove it once it has none."""
        async with self._registry.lock(endpoint):
            deployments = self._registry.deployments(endpoint)
            for stored in deployments:
                if not stored.record.deleting:
                    await self.mark(stored)
            if deployments or self._registry.endpoint(endpoint) is None:
                return
            await self._registry.delete(
                subjects.endpoint_key(endpoint), subjects.auth_key(endpoint)
            )
            keys = await Bucket.open(self._bus, subjects.KEYS_BUCKET)
            await keys.delete(endpoint)
        await self._events.tell("Deleted", endpoint)

    async def sweep(self) -> None:
        """Remove what an interrupted creation or deletion has left: queues and states of nobody.

        Called before any verb is served, so nothing can be in the middle of its creation.
        """
        wanted = {
            (stored.record.spec.endpoint_name, stored.record.spec.name)
            for stored in self._registry.deployments()
        }
        unreadable = {tuple(key.split(".")[1:]) for key in self._registry.keys("deployment.")}
        for address in set(self._states.addresses()) - wanted - unreadable:
            await self._states.delete(*address)
        for stream in await self._queues():
            if subjects.work_stream_owner(stream) not in wanted | unreadable:
                log.warning("removal.orphan stream=%s", stream)
                await self._remove_queue(*subjects.work_stream_owner(stream))

    async def _remove_queue(self, endpoint: str, name: str) -> None:
        await requeue(self._bus, endpoint, name)
        await delete_stream(self._bus, subjects.work_stream(endpoint, name))
        samples = await Bucket.open(self._bus, subjects.SAMPLES_BUCKET)
        await samples.delete(subjects.sample_key(endpoint, name))

    async def _queues(self) -> list[str]:
        names: list[str] = []
        while True:
            page = await self._bus.api(
                "STREAM.NAMES", {"subject": subjects.WORK, "offset": len(names)}
            )
            found = page.get("streams") or []
            names += found
            if not found or len(names) >= page.get("total", 0):
                return names
