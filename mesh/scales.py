"""How the number of instances follows the load: paused, resumed, its changes read back.

Ring: adapter.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Final

from mesh import history, subjects, wire
from mesh.api import DeploymentName, DeploymentView, ScaleChange
from mesh.bus import Bus
from mesh.verbs import Verbs
from mesh.wire import ScaleDecision

DEFAULT_CHANGES: Final = 50


class Scales:
    """The autoscaling of deployments. Every method may raise `BusError` and its kin."""

    def __init__(self, bus: Bus, verbs: Verbs) -> None:
        self._bus = bus
        self._verbs = verbs

    def __repr__(self) -> str:
        return f"<Scales {self._bus!r}>"

    async def pause(self, endpoint: str, name: str) -> DeploymentView:
        """Keep the number of instances as it is, or as somebody sets it; harmless twice.

        Raises:
            NotFoundError: there is no such deployment.
            ConflictError: its number does not follow the load.
        """
        request = DeploymentName(endpoint=endpoint, name=name)
        return await self._verbs.call("deployment.pause", request, DeploymentView)

    async def resume(self, endpoint: str, name: str) -> DeploymentView:
        """Let the number of instances follow the load again; harmless twice.

        Raises:
            NotFoundError: there is no such deployment.
            ConflictError: its number does not follow the load.
        """
        request = DeploymentName(endpoint=endpoint, name=name)
        return await self._verbs.call("deployment.resume", request, DeploymentView)

    async def history(
        self, endpoint: str, name: str | None = None, *, limit: int = DEFAULT_CHANGES
    ) -> list[ScaleChange]:
        """Return how the number of instances changed and why, oldest first.

        Args:
            endpoint: the endpoint.
            name: one of its deployments; None for all. Those deleted meanwhile are told too.
            limit: how many of the last changes.
        """
        return await read_scale_changes(self._bus, endpoint, name, limit)


async def read_scale_changes(
    bus: Bus, endpoint: str, deployment: str | None, limit: int
) -> list[ScaleChange]:
    """Return the last changes of a deployment, or of all of an endpoint (None), oldest first."""
    newest: deque[ScaleChange] = deque(maxlen=limit)
    subject = subjects.scale(endpoint, deployment or "*")
    messages = history.read(bus, subjects.SCALE_STREAM, subject, newest=limit)
    async with contextlib.aclosing(messages):
        async for past in messages:
            said = wire.decode(past.data, ScaleDecision)
            if said is not None:
                newest.append(_change(said))
    return list(newest)


def _change(said: ScaleDecision) -> ScaleChange:
    return ScaleChange(
        at_s=said.at_s,
        endpoint_name=said.endpoint,
        deployment=said.deployment,
        generation=said.generation,
        before=said.before,
        after=said.after,
        reason=said.reason,
        min_instances=said.min_instances,
        max_instances=said.max_instances,
        asked=said.asked,
        queue=said.lanes,
        ready=said.ready,
        slots=said.slots,
        service_s=said.service_s,
        cpu_percent=said.cpu_percent,
        offered_per_s=said.offered_per_s,
        refused_per_s=said.refused_per_s,
        seen=said.seen,
        why=said.why,
    )
