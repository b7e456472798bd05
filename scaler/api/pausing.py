"""The verbs that pause autoscaling and let it go on. Ring: service."""

from __future__ import annotations

import time
from typing import Any, Final

from msgspec.structs import replace

from mesh import subjects
from mesh.api import DeploymentName, DeploymentView
from mesh.errors import ConflictError
from mesh.records import DeploymentRecord
from scaler.api.desk import Desk
from scaler.api.views import deployment_view
from scaler.registry import Stored, require_deployment
from scaler.situation import wanted

ASLEEP: Final = "no instance runs, and while autoscaling is paused no request starts one"


async def pause(desk: Desk, request: DeploymentName) -> DeploymentView:
    """Keep the count as it is from now on; the generation stays."""
    async with desk.registry.lock(request.endpoint):
        stored = _require_autoscaled(desk, request)
        if stored.record.is_paused:
            return deployment_view(desk, stored)
        count = wanted(stored.record, desk.states.get(request.endpoint, request.name))
        warnings = [] if count else [ASLEEP]
        return await _write(desk, stored, replace(stored.record, paused_count=count), warnings)


async def resume(desk: Desk, request: DeploymentName) -> DeploymentView:
    """Let the count follow the load again, from where it is."""
    async with desk.registry.lock(request.endpoint):
        stored = _require_autoscaled(desk, request)
        if not stored.record.is_paused:
            return deployment_view(desk, stored)
        return await _write(desk, stored, replace(stored.record, paused_count=None), [])


async def _write(
    desk: Desk, stored: Stored[DeploymentRecord], record: DeploymentRecord, warnings: list[str]
) -> DeploymentView:
    address = record.spec.endpoint_name, record.spec.name
    record = replace(record, modified_at_s=time.time())
    key = subjects.deployment_key(*address)
    revision = await desk.registry.write(key, record, stored.revision)
    text = "autoscaling paused" if record.is_paused else "autoscaling goes on"
    await desk.events.tell("Updated", *address, text, generation=record.generation)
    return deployment_view(desk, Stored(record, revision), warnings)


def _require_autoscaled(desk: Desk, request: DeploymentName) -> Stored[DeploymentRecord]:
    stored = require_deployment(desk.registry, request.endpoint, request.name)
    if stored.record.spec.autoscale is None:
        raise ConflictError(
            f"deployment '{request.name}' does not scale by load: its scale_settings.type is not "
            "target_utilization"
        )
    return stored


VERBS: dict[str, tuple[type, Any]] = {
    "deployment.pause": (DeploymentName, pause),
    "deployment.resume": (DeploymentName, resume),
}
