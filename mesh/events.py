"""Telling what happened: the audit trail and lifecycle events on `mesh.event.>`. Ring: adapter."""

from __future__ import annotations

import logging
import time

from mesh import subjects, wire
from mesh.bus import Bus
from mesh.errors import BusError
from mesh.reason import headline
from mesh.wire import Event

log = logging.getLogger("mesh.events")


class Events:
    """Publishes events; one that cannot be sent is only logged."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(
        self,
        name: str,
        endpoint: str,
        deployment: str = "",
        message: str = "",
        *,
        generation: int = 0,
        instance: str = "",
    ) -> None:
        """Tell one event."""
        event = Event(
            endpoint=endpoint,
            deployment=deployment,
            instance=instance,
            name=name,
            message=message,
            generation=generation,
            at_s=time.time(),
        )
        said = headline(message)
        log.info("event.%s %s %s %s %s", name, endpoint, deployment or "-", instance, said)
        try:
            await self._bus.publish(subjects.event(endpoint, deployment or "-"), wire.encode(event))
        except BusError as exc:
            log.warning("event.untold %s %s", name, exc)
