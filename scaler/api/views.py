"""Desired and observed state as people see it. Ring: service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from mesh.api import (
    DeploymentView,
    EndpointView,
    GatewayView,
    InstanceView,
    ScalingView,
    StatusView,
)
from mesh.records import DeploymentRecord, DeploymentState, EndpointRecord
from mesh.wire import GatewayHeartbeat, WorkerHeartbeat
from scaler.api.desk import Desk
from scaler.registry import Stored
from scaler.situation import provisioning, wanted


def endpoint_view(
    desk: Desk, stored: Stored[EndpointRecord], warnings: list[str] | None = None
) -> EndpointView:
    """Show an endpoint; every deployment is in its traffic, with 0 if it gets none."""
    record, spec = stored.record, stored.record.spec
    names = [deployment.record.spec.name for deployment in desk.registry.deployments(spec.name)]
    return EndpointView(
        name=spec.name,
        kind=spec.kind,
        auth_mode=spec.auth_mode,
        provisioning_state="Deleting" if record.deleting else "Succeeded",
        scoring_uri=_scoring_uri(desk.observer.gateways.live(), spec.name),
        traffic=dict.fromkeys(names, 0) | spec.live,
        mirror_traffic=spec.mirror,
        deployments=names,
        description=spec.description or "",
        tags=spec.tags,
        spec=_plain(spec),
        revision=stored.revision,
        created_at_s=record.created_at_s,
        modified_at_s=record.modified_at_s,
        warnings=warnings or [],
    )


def deployment_view(
    desk: Desk, stored: Stored[DeploymentRecord], warnings: list[str] | None = None
) -> DeploymentView:
    """Show a deployment, its state as it is for the present record."""
    record, spec = stored.record, stored.record.spec
    endpoint, name = spec.endpoint_name, spec.name
    state = desk.states.get(endpoint, name)
    beats = desk.observer.fleet.fresh(endpoint, name, desk.clock())
    owner = desk.registry.endpoint(endpoint)
    return DeploymentView(
        name=name,
        endpoint_name=endpoint,
        provisioning_state=provisioning(record, state),
        reason=state.reason if state.generation == record.generation else "",
        generation=record.generation,
        serving_generation=state.serving,
        instance_count=wanted(record, state),
        ready_instances=sum(beat.state == "ready" for beat in beats),
        traffic=owner.record.spec.live.get(name, 0) if owner else 0,
        mirror_traffic=owner.record.spec.mirror.get(name, 0) if owner else 0,
        queue=desk.depths.lanes(endpoint, name),
        instances=_instance_views(desk, beats),
        spec=_plain(spec),
        revision=stored.revision,
        code=record.code,
        model=record.model,
        created_at_s=record.created_at_s,
        modified_at_s=record.modified_at_s,
        warnings=warnings or [],
        scaling=_scaling_view(desk, record, state),
        limits=desk.capacity.text(spec),
        price_per_hour=desk.capacity.price_per_hour(record),
    )


def status_view(desk: Desk) -> StatusView:
    """Show everything."""
    registry = desk.registry
    return StatusView(
        revision=registry.revision,
        gateways=[_gateway_view(said) for said in desk.observer.gateways.live()],
        endpoints=[endpoint_view(desk, stored) for stored in registry.endpoints()],
        deployments=[deployment_view(desk, stored) for stored in registry.deployments()],
        limits=desk.capacity.limits,
    )


def _scoring_uri(gateways: list[GatewayHeartbeat], endpoint: str) -> str:
    urls = [said.url for said in gateways if said.url]
    return f"{urls[0].rstrip('/')}/endpoints/{endpoint}/score" if urls else ""


def _plain(spec: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(spec)
    return plain


def _scaling_view(
    desk: Desk, record: DeploymentRecord, state: DeploymentState
) -> ScalingView | None:
    spec, bounds = record.spec, desk.scaling.bounds(record)
    if bounds is None:
        return None
    quota = desk.capacity.quota_text(record)
    told = quota in state.target_reason
    return ScalingView(
        min_instances=bounds.least,
        max_instances=bounds.most,
        reason=state.target_reason if told else f"{state.target_reason}; {quota}".lstrip("; "),
        seen=desk.scaling.seen(spec.endpoint_name, spec.name),
        notes=desk.scaling.notes(record),
        paused=record.is_paused,
        profile=desk.scaling.profile(spec.endpoint_name, spec.name),
    )


def _instance_views(desk: Desk, beats: Iterable[WorkerHeartbeat]) -> list[InstanceView]:
    troubles = desk.capacity.troubles()
    views = [_instance_view(said, troubles.get(said.instance, "")) for said in beats]
    return sorted(views, key=lambda view: view.instance)


def _instance_view(said: WorkerHeartbeat, trouble: str) -> InstanceView:
    return InstanceView(
        instance=said.instance,
        generation=said.generation,
        state=said.state,
        reason=said.reason or trouble,
        pid=said.pid,
        host=said.host,
        slots=said.slots,
        in_flight=said.in_flight,
        cpu_percent=said.cpu_percent,
        memory_bytes=said.memory_bytes,
        metrics_url=said.metrics_url,
        gpu=said.gpu,
    )


def _gateway_view(said: GatewayHeartbeat) -> GatewayView:
    return GatewayView(
        gateway=said.gateway,
        url=said.url,
        pid=said.pid,
        host=said.host,
        revision=said.revision,
        pending=said.pending,
        memory_bytes=said.memory_bytes,
    )
