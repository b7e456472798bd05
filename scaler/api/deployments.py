"""The verbs of deployments. Ring: service."""

from __future__ import annotations

import time
from typing import Any

from msgspec.structs import replace

from mesh import subjects
from mesh.api import DeploymentList, DeploymentName, DeploymentPut, DeploymentView, Scale
from mesh.differences import Version, differences, summary
from mesh.errors import ConflictError, SpecError
from mesh.records import DeploymentRecord
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.deployment_rules import deployment_violations
from mesh.spec.endpoint_rules import deployment_limit_violations
from mesh.spec.violation import raise_violations
from mesh.streams import ensure_queue
from scaler.api.desk import Desk, refuse_change
from scaler.api.views import deployment_view
from scaler.registry import (
    Stored,
    existing_deployment,
    existing_endpoint,
    require_deployment,
    require_endpoint,
    require_revision,
)
from scaler.traffic import unconfirmed


def keeps_generation(old: DeploymentRecord, new: DeploymentPut) -> bool:
    """Tell whether running instances may go on: what differs is nothing to them.

    That is the count and how it is chosen, how they are replaced, and texts for people.
    """
    same = replace(
        old.spec,
        instance_count=new.spec.instance_count,
        scale_settings=new.spec.scale_settings,
        description=new.spec.description,
        tags=new.spec.tags,
        mesh=replace(old.spec.mesh, rollout=new.spec.mesh.rollout),
    )
    return (same, old.code, old.model) == (new.spec, new.code, new.model)


async def create(desk: Desk, put: DeploymentPut) -> DeploymentView:
    """Make a deployment: its queue, its first generation, then its record."""
    spec = put.spec
    raise_violations(deployment_violations(spec))
    desk.capacity.refuse(spec)
    desk.refuse_scaling(spec.autoscale)
    now_s = time.time()
    record = DeploymentRecord(
        spec=spec,
        generation=1,
        code=put.code,
        model=put.model,
        created_at_s=now_s,
        modified_at_s=now_s,
        all_traffic=put.all_traffic,
        change="created",
    )
    async with desk.registry.lock(spec.endpoint_name), desk.capacity.guard():
        _refuse_creation(desk, spec)
        desk.capacity.require_quota(record)
        await _ensure_queue(desk, spec)
        await _write_generation(desk, record)
        key = subjects.deployment_key(spec.endpoint_name, spec.name)
        revision = await desk.registry.write(key, record)
    await desk.events.tell("Created", spec.endpoint_name, spec.name, generation=1)
    warnings = await unconfirmed(desk.observer.gateways, revision)
    warnings += desk.capacity.warnings(spec)
    return deployment_view(desk, Stored(record, revision), warnings)


async def update(desk: Desk, put: DeploymentPut) -> DeploymentView:
    """Replace a deployment; what matters to its instances makes a new generation."""
    async with desk.registry.lock(put.spec.endpoint_name):
        stored = require_deployment(desk.registry, put.spec.endpoint_name, put.spec.name)
        require_revision(stored, put.revision, f"deployment '{put.spec.name}'")
        return await change(desk, stored, put)


async def change(
    desk: Desk, stored: Stored[DeploymentRecord], put: DeploymentPut, note: str = ""
) -> DeploymentView:
    """Put a deployment in the place of the stored one; `note` stands in its history.

    The endpoint's lock is held.
    """
    old, spec = stored.record, put.spec
    raise_violations(deployment_violations(spec))
    desk.capacity.refuse(spec)
    desk.refuse_scaling(spec.autoscale)
    _refuse_changes(old.spec, spec)
    state = desk.states.get(spec.endpoint_name, spec.name)
    keep = keeps_generation(old, put) and state.failed_generation != old.generation
    record = replace(
        old,
        spec=spec,
        code=put.code,
        model=put.model,
        generation=old.generation if keep else old.generation + 1,
        modified_at_s=time.time(),
        all_traffic=old.all_traffic or put.all_traffic,
        paused_count=old.paused_count if spec.autoscale is not None else None,
        change=old.change if keep else _change_text(old, put, note),
    )
    async with desk.capacity.guard():
        desk.capacity.require_quota(record)
        if not keep:
            await _ensure_queue(desk, spec)
            await _write_generation(desk, record)
        return await _write(desk, stored, record)


async def scale(desk: Desk, request: Scale) -> DeploymentView:
    """Change the number of instances; the generation stays."""
    async with desk.registry.lock(request.endpoint), desk.capacity.guard():
        stored = require_deployment(desk.registry, request.endpoint, request.name)
        if request.instance_count < 1:
            raise SpecError(f"instance_count: {request.instance_count}: must be at least 1")
        old = stored.record
        _refuse_autoscaled(old)
        spec = replace(old.spec, instance_count=request.instance_count)
        raise_violations(deployment_violations(spec))
        record = replace(old, spec=spec, modified_at_s=time.time())
        if old.is_paused:
            record = replace(record, spec=old.spec, paused_count=request.instance_count)
        desk.capacity.require_quota(record)
        return await _write(desk, stored, record)


async def get(desk: Desk, request: DeploymentName) -> DeploymentView:
    """Show one deployment."""
    return deployment_view(desk, existing_deployment(desk.registry, request.endpoint, request.name))


async def list_all(desk: Desk, request: DeploymentList) -> list[DeploymentView]:
    """Show the deployments of an endpoint, or of all."""
    if request.endpoint is not None:
        existing_endpoint(desk.registry, request.endpoint)
    found = desk.registry.deployments(request.endpoint)
    return [deployment_view(desk, stored) for stored in found]


async def delete(desk: Desk, request: DeploymentName) -> DeploymentView:
    """Mark a deployment for deletion; it is drained and removed when nothing is sent to it."""
    async with desk.registry.lock(request.endpoint):
        stored = existing_deployment(desk.registry, request.endpoint, request.name)
        if not stored.record.deleting:
            _refuse_routed(desk, request)
            stored = await desk.removals.mark(stored)
    warnings = await unconfirmed(desk.observer.gateways, stored.revision)
    return deployment_view(desk, stored, warnings)


async def _write(
    desk: Desk, stored: Stored[DeploymentRecord], record: DeploymentRecord
) -> DeploymentView:
    endpoint, name = record.spec.endpoint_name, record.spec.name
    key = subjects.deployment_key(endpoint, name)
    revision = await desk.registry.write(key, record, stored.revision)
    before, after = stored.record.spec.instance_count, record.spec.instance_count
    text = f"instances {before} -> {after}" if before != after else ""
    await desk.events.tell("Updated", endpoint, name, text, generation=record.generation)
    warnings = desk.capacity.warnings(record.spec)
    return deployment_view(desk, Stored(record, revision), warnings)


async def _write_generation(desk: Desk, record: DeploymentRecord) -> None:
    spec = record.spec
    key = subjects.generation_key(spec.endpoint_name, spec.name, record.generation)
    await desk.registry.put(key, record)


async def _ensure_queue(desk: Desk, spec: DeploymentSpec) -> None:
    await ensure_queue(desk.bus, spec.endpoint_name, spec.name, spec.mesh.queue, spec.timeout_s)


def _change_text(old: DeploymentRecord, new: DeploymentPut, note: str) -> str:
    """What a new generation changes; the same again is another try."""
    before = Version.of(old.spec, old.code, old.model)
    text = summary(differences(before, Version.of(new.spec, new.code, new.model)))
    return note or text or "tried again"


def _refuse_autoscaled(record: DeploymentRecord) -> None:
    spec = record.spec
    if spec.autoscale is not None and not record.is_paused:
        least, most = spec.autoscale.min_instances, spec.autoscale.max_instances
        raise ConflictError(
            f"deployment '{spec.name}' scales by load, between {least} and {most} instances: "
            "update scale_settings.min_instances and max_instances instead, or pause that first "
            "(mesh scale pause)"
        )


def _refuse_creation(desk: Desk, spec: DeploymentSpec) -> None:
    endpoint = require_endpoint(desk.registry, spec.endpoint_name)
    existing = desk.registry.deployment(spec.endpoint_name, spec.name)
    if existing is not None:
        what = "is being deleted" if existing.record.deleting else "exists already"
        raise ConflictError(f"deployment '{spec.name}' of endpoint '{spec.endpoint_name}' {what}")
    if spec.kind != endpoint.record.spec.kind:
        raise SpecError(
            f"type: {spec.kind!r}: endpoint '{spec.endpoint_name}' is {endpoint.record.spec.kind!r}"
        )
    names = [d.record.spec.name for d in desk.registry.deployments(spec.endpoint_name)]
    raise_violations(deployment_limit_violations(names, spec.name))


def _refuse_changes(old: DeploymentSpec, new: DeploymentSpec) -> None:
    refuse_change("type", old.kind, new.kind)
    refuse_change("mesh.queue.storage", old.mesh.queue.storage, new.mesh.queue.storage)
    refuse_change(
        "egress_public_network_access",
        old.egress_public_network_access,
        new.egress_public_network_access,
    )
    if old.kind == "kubernetes":
        refuse_change("instance_type", old.instance_type, new.instance_type)


def _refuse_routed(desk: Desk, request: DeploymentName) -> None:
    endpoint = desk.registry.endpoint(request.endpoint)
    if endpoint is None or endpoint.record.deleting:
        return
    spec = endpoint.record.spec
    for kind, split in (("live", spec.live), ("mirrored", spec.mirror)):
        if percent := split.get(request.name):
            raise ConflictError(
                f"deployment '{request.name}' gets {percent} % {kind} traffic of endpoint "
                f"'{request.endpoint}': set it to 0 first"
            )


VERBS: dict[str, tuple[type, Any]] = {
    "deployment.create": (DeploymentPut, create),
    "deployment.update": (DeploymentPut, update),
    "deployment.get": (DeploymentName, get),
    "deployment.list": (DeploymentList, list_all),
    "deployment.delete": (DeploymentName, delete),
    "deployment.scale": (Scale, scale),
}
