"""What people have done to a deployment's count since its history was told last. Pure.

Ring: decisions.
"""

from __future__ import annotations

from typing import Final

from mesh.records import DeploymentRecord, DeploymentState
from mesh.wire import ScaleDecision
from scaler.situation import wanted

PAUSED: Final = "autoscaling is paused"


def change_by_hand(record: DeploymentRecord, state: DeploymentState) -> ScaleDecision | None:
    """Return what is to be told; None if nothing has changed, or nothing was ever told."""
    count, scale = wanted(record, state), record.spec.autoscale
    if state.told is None or (count, record.is_paused) == (state.told, state.told_paused):
        return None
    return ScaleDecision(
        endpoint=record.spec.endpoint_name,
        deployment=record.spec.name,
        generation=record.generation,
        before=state.told,
        after=count,
        reason=_reason(record, state, count),
        min_instances=scale.min_instances if scale is not None else count,
        max_instances=scale.max_instances if scale is not None else count,
    )


def _reason(record: DeploymentRecord, state: DeploymentState, count: int) -> str:
    if record.is_paused:
        return f"{PAUSED}, {count} set by hand" if count != state.told else PAUSED
    if state.told_paused and record.spec.autoscale is not None:
        return "autoscaling goes on"
    return f"instance_count is {count}"
