"""How the load has changed the number of instances, read back. Ring: adapter."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Final

from mesh import history, subjects, wire
from mesh.api import ScaleChange
from mesh.bus import Bus
from mesh.wire import ScaleDecision

DEFAULT_CHANGES: Final = 50


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
    )
