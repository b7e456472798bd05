"""The verbs of a deployment's generations: what there was, and going back to it. Ring: service."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from mesh.api import DeploymentName, DeploymentPut, DeploymentView
from mesh.errors import ConflictError, NotFoundError
from mesh.generation_api import GenerationView, Rollback
from mesh.records import DeploymentRecord, DeploymentState
from mesh.spec.deployment import DeploymentSpec
from scaler.api.deployments import change, keeps_generation
from scaler.api.desk import Desk
from scaler.registry import existing_deployment, require_deployment
from scaler.situation import is_proving


async def history(desk: Desk, request: DeploymentName) -> list[GenerationView]:
    """Show the generations whose records are kept, oldest first."""
    record = existing_deployment(desk.registry, request.endpoint, request.name).record
    state = desk.states.get(request.endpoint, request.name)
    kept = _kept(desk, record)
    views = [_view(kept[generation], record, state) for generation in sorted(kept)]
    begun = desk.registry.generation(request.endpoint, request.name, record.generation)
    if begun is not None:  # the present record may have been scaled since
        views[-1] = replace(views[-1], at_s=begun.modified_at_s)
    return views


async def rollback(desk: Desk, request: Rollback) -> DeploymentView:
    """Make a new generation of an earlier one; the count and how it is chosen stay."""
    async with desk.registry.lock(request.endpoint):
        stored = require_deployment(desk.registry, request.endpoint, request.name)
        present = stored.record
        state = desk.states.get(request.endpoint, request.name)
        earlier = _chosen(request, present, state, _kept(desk, present))
        put = DeploymentPut(
            spec=_spec(request, present.spec, earlier.spec),
            code=earlier.code,
            model=earlier.model,
        )
        has_failed = state.failed_generation == present.generation
        if keeps_generation(present, put) and not has_failed:
            raise ConflictError(
                f"generation {earlier.generation} is the same as the present one, "
                f"{present.generation}: there is nothing to roll back"
            )
        return await change(desk, stored, put, f"rollback to generation {earlier.generation}")


def _kept(desk: Desk, record: DeploymentRecord) -> dict[int, DeploymentRecord]:
    """The readable records of generations up to the present one, which is as it is now."""
    spec = record.spec
    numbers = desk.registry.generations(spec.endpoint_name, spec.name)
    found = {
        number: desk.registry.generation(spec.endpoint_name, spec.name, number)
        for number in numbers
        if number < record.generation
    }
    return {number: one for number, one in found.items() if one is not None} | {
        record.generation: record
    }


def _chosen(
    request: Rollback,
    present: DeploymentRecord,
    state: DeploymentState,
    kept: dict[int, DeploymentRecord],
) -> DeploymentRecord:
    name = f"deployment '{request.name}' of endpoint '{request.endpoint}'"
    if request.to is not None:
        if request.to == present.generation:
            raise ConflictError(f"{name} is at generation {request.to} already")
        if request.to not in kept:
            there = ", ".join(map(str, sorted(kept)))
            raise NotFoundError(f"{name} has no generation {request.to}; there are {there}")
        return kept[request.to]
    good = [one for one in kept if one < present.generation and one not in state.failures]
    if state.serving != present.generation and state.serving in kept:
        return kept[state.serving]
    if not good:
        raise ConflictError(f"{name} has no earlier generation to roll back to")
    return kept[max(good)]


def _spec(request: Rollback, present: DeploymentSpec, earlier: DeploymentSpec) -> DeploymentSpec:
    given = {"max_surge": request.max_surge, "max_unavailable": request.max_unavailable}
    changes = {key: value for key, value in given.items() if value is not None}
    return replace(
        earlier,
        instance_count=present.instance_count,
        scale_settings=present.scale_settings,
        mesh=replace(earlier.mesh, rollout=replace(present.mesh.rollout, **changes)),
    )


def _view(
    record: DeploymentRecord, present: DeploymentRecord, state: DeploymentState
) -> GenerationView:
    generation = record.generation
    view = GenerationView(
        generation=generation,
        at_s=record.modified_at_s,
        change=record.change,
        state="superseded",
        spec=msgspec.to_builtins(record.spec),
        code=record.code,
        model=record.model,
    )
    if generation == state.serving:
        return replace(view, state="serving")
    reason = state.failures.get(generation, "")
    if reason or generation == state.failed_generation:
        return replace(view, state="failed", reason=reason or state.reason)
    if generation == present.generation and is_proving(present, state):
        return replace(view, state="updating")
    return view


VERBS: dict[str, tuple[type, Any]] = {
    "deployment.history": (DeploymentName, history),
    "deployment.rollback": (Rollback, rollback),
}
