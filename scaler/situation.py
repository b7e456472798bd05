"""What the reconciler knows of one deployment, and what it may decide, as values. Ring: values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from mesh.instances import InstanceState
from mesh.records import DeploymentRecord, DeploymentState, ProvisioningState
from scaler.crashes import Crashes

Phase = Literal[InstanceState, "silent", "ending"]


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a deployment as its launcher and its heartbeat tell together.

    `silent`: it runs but its heartbeat is overdue. `ending`: it has exited and the reason is not
    known yet, so its place is not free. `for_s`: seconds in this phase. `reason`: why it says it
    is in it. `by_hand`: a person started it.
    """

    instance: str
    generation: int
    phase: Phase
    in_flight: int = 0
    for_s: float = 0.0
    reason: str = ""
    by_hand: bool = False


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision about one deployment depends on.

    `crashes` by generation; `kept`: generations whose records exist. The last three matter only
    while it is deleted: `unrouted` says that every gateway has stopped to send, `waiting` how many
    requests are queued (None: not known), `deleting_for_s` how long ago it was asked for.
    """

    record: DeploymentRecord
    state: DeploymentState
    instances: tuple[Instance, ...] = ()
    crashes: Mapping[int, Crashes] = {}
    kept: frozenset[int] = frozenset()
    drain_grace_s: float = 30.0
    unrouted: bool = False
    waiting: int | None = None
    deleting_for_s: float = 0.0


class Launch(msgspec.Struct, frozen=True, tag=True):
    """Start one instance of a generation."""

    generation: int
    reason: str


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Ask an instance to finish what it has and exit."""

    instance: str
    reason: str


class Replace(msgspec.Struct, frozen=True, tag=True):
    """Drain an instance that has stopped pulling by itself, and remember it as a crash."""

    instance: str
    generation: int
    reason: str


class Kill(msgspec.Struct, frozen=True, tag=True):
    """End an instance at once."""

    instance: str
    reason: str


class Collect(msgspec.Struct, frozen=True, tag=True):
    """Delete the record of a generation that nothing serves any more."""

    generation: int


class TakeTraffic(msgspec.Struct, frozen=True, tag=True):
    """Give the deployment all live traffic of its endpoint."""


class Remove(msgspec.Struct, frozen=True, tag=True):
    """Delete the deployment's records, then its queue."""


Action = Launch | Drain | Replace | Kill | Collect | TakeTraffic | Remove


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now, the state to show, and in how many seconds to look again at the latest."""

    actions: tuple[Action, ...]
    state: DeploymentState
    again_s: float | None = None


def is_proving(record: DeploymentRecord, state: DeploymentState) -> bool:
    """Tell whether the newest generation has yet to become ready, or to fail."""
    return record.generation not in (state.serving, state.failed_generation)


def wanted(record: DeploymentRecord, state: DeploymentState) -> int:
    """Return how many instances there should be now.

    A generation that is new shows that it starts, even if there is nothing to do.
    """
    scale, count = record.spec.autoscale, record.spec.instance_count
    if scale is None:
        return count
    if record.is_paused:
        return max(record.paused_count or 0, int(is_proving(record, state)))
    count = count if state.target is None else state.target
    least = max(scale.min_instances, int(is_proving(record, state)))
    return max(least, min(count, scale.max_instances))


def provisioning(record: DeploymentRecord, state: DeploymentState) -> ProvisioningState:
    """Name the state people see: how far `state` has come to what `record` asks for.

    Where the load decides the count, any count within the bounds is what was asked for.
    """
    if record.deleting:
        return "Deleting"
    if state.failed_generation == record.generation:
        return "Failed"
    if state.serving != record.generation:
        return "Updating" if state.serving else "Creating"
    if record.all_traffic:
        return "Creating"
    scale, count = record.spec.autoscale, record.spec.instance_count
    least, most = (scale.min_instances, scale.max_instances) if scale else (count, count)
    if record.is_paused:
        least = most = wanted(record, state)
    return "Succeeded" if least <= state.settled <= most else "Scaling"
