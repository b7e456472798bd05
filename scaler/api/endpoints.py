"""The verbs of endpoints. Ring: service."""

from __future__ import annotations

import time
from typing import Any

from msgspec.structs import replace

from mesh import subjects
from mesh.api import Credentials, EndpointPut, EndpointView, Name, Nothing, RegenerateKeys
from mesh.errors import ConflictError, SpecError
from mesh.records import EndpointRecord
from mesh.spec.endpoint import EndpointSpec
from mesh.spec.endpoint_rules import endpoint_violations
from mesh.spec.violation import raise_violations
from scaler.api.desk import Desk, refuse_change
from scaler.api.keys import changed_keys, credentials, new_keys, read_keys, write_keys
from scaler.api.views import endpoint_view
from scaler.registry import Stored, existing_endpoint, require_endpoint, require_revision
from scaler.traffic import has_same_split, split_text, unconfirmed


def without_zeros(spec: EndpointSpec) -> EndpointSpec:
    """Drop entries of 0 %: they mean the same as none."""
    return replace(spec, traffic=spec.live, mirror_traffic=spec.mirror)


async def create(desk: Desk, put: EndpointPut) -> EndpointView:
    """Make an endpoint and its keys; it gets traffic once it has deployments."""
    spec = without_zeros(put.spec)
    if spec.traffic or spec.mirror_traffic:
        raise SpecError("traffic: cannot be set at creation: the deployments must exist first")
    raise_violations(endpoint_violations(spec, ()))
    async with desk.registry.lock(spec.name):
        existing = desk.registry.endpoint(spec.name)
        if existing is not None:
            what = "is being deleted" if existing.record.deleting else "exists already"
            raise ConflictError(f"endpoint '{spec.name}' {what}")
        # The digests first: no gateway may ever see the endpoint without them.
        await write_keys(desk.keys, desk.registry, spec.name, new_keys())
        now_s = time.time()
        record = EndpointRecord(spec=spec, created_at_s=now_s, modified_at_s=now_s)
        revision = await desk.registry.write(subjects.endpoint_key(spec.name), record)
    await desk.events.tell("Created", spec.name)
    warnings = await unconfirmed(desk.observer.gateways, revision)
    return endpoint_view(desk, Stored(record, revision), warnings)


async def update(desk: Desk, put: EndpointPut) -> EndpointView:
    """Replace an endpoint; returns when every live gateway acts on it, or says which does not."""
    spec = without_zeros(put.spec)
    async with desk.registry.lock(spec.name):
        stored = require_endpoint(desk.registry, spec.name)
        require_revision(stored, put.revision, f"endpoint '{spec.name}'")
        before = stored.record.spec
        refuse_change("type", before.kind, spec.kind)
        living = [
            deployment.record.spec.name
            for deployment in desk.registry.deployments(spec.name)
            if not deployment.record.deleting
        ]
        raise_violations(endpoint_violations(spec, living))
        record = replace(stored.record, spec=spec, modified_at_s=time.time())
        key = subjects.endpoint_key(spec.name)
        revision = await desk.registry.write(key, record, stored.revision)
    warnings = await unconfirmed(desk.observer.gateways, revision)
    if has_same_split(before, spec):
        await desk.events.tell("Updated", spec.name)
    else:
        text = f"{split_text(before)} -> {split_text(spec)}"
        await desk.events.tell("TrafficChanged", spec.name, message=text)
    return endpoint_view(desk, Stored(record, revision), warnings)


async def get(desk: Desk, request: Name) -> EndpointView:
    """Show one endpoint."""
    return endpoint_view(desk, existing_endpoint(desk.registry, request.name))


async def list_all(desk: Desk, _: Nothing) -> list[EndpointView]:
    """Show all endpoints."""
    return [endpoint_view(desk, stored) for stored in desk.registry.endpoints()]


async def delete(desk: Desk, request: Name) -> EndpointView:
    """Mark an endpoint for deletion; its deployments are drained and removed, then itself."""
    async with desk.registry.lock(request.name):
        stored = existing_endpoint(desk.registry, request.name)
        if not stored.record.deleting:
            record = replace(stored.record, deleting=True, modified_at_s=time.time())
            key = subjects.endpoint_key(request.name)
            revision = await desk.registry.write(key, record, stored.revision)
            stored = Stored(record, revision)
    await desk.events.tell("StateChanged", request.name, message="Deleting")
    warnings = await unconfirmed(desk.observer.gateways, stored.revision)
    return endpoint_view(desk, stored, warnings)


async def get_credentials(desk: Desk, request: Name) -> Credentials:
    """Show the keys."""
    existing_endpoint(desk.registry, request.name)
    return credentials(await read_keys(desk.keys, request.name))


async def regenerate_keys(desk: Desk, request: RegenerateKeys) -> Credentials:
    """Replace one key; returns when every live gateway takes the new one."""
    async with desk.registry.lock(request.name):
        require_endpoint(desk.registry, request.name)
        keys = changed_keys(await read_keys(desk.keys, request.name), request)
        revision = await write_keys(desk.keys, desk.registry, request.name, keys)
    # Who still takes the old key is told in the trail: the answer holds the keys and no more.
    behind = await unconfirmed(desk.observer.gateways, revision)
    text = "; ".join([request.key_type, *behind])
    await desk.events.tell("KeyRegenerated", request.name, message=text)
    return credentials(keys)


VERBS: dict[str, tuple[type, Any]] = {
    "endpoint.create": (EndpointPut, create),
    "endpoint.update": (EndpointPut, update),
    "endpoint.get": (Name, get),
    "endpoint.list": (Nothing, list_all),
    "endpoint.delete": (Name, delete),
    "endpoint.credentials": (Name, get_credentials),
    "endpoint.regenerate_keys": (RegenerateKeys, regenerate_keys),
}
