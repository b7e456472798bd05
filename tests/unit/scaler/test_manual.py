"""What people do to a deployment's count, as its history tells it."""

import pytest
from msgspec.structs import replace

from mesh.records import DeploymentRecord, DeploymentState
from mesh.spec.deployment import DeploymentSpec, ScaleSettings
from scaler.manual import change_by_hand

SCALE = ScaleSettings(type="target_utilization", min_instances=1, max_instances=4)
SCALED = DeploymentRecord(
    spec=DeploymentSpec(name="blue", endpoint_name="iris", scale_settings=SCALE), generation=1
)
FIXED = replace(SCALED, spec=replace(SCALED.spec, scale_settings=None, instance_count=3))
STATE = DeploymentState(state="Succeeded", generation=1, serving=1, target=2, told=2)


@pytest.mark.parametrize(
    ("record", "state", "reason"),
    [
        pytest.param(FIXED, {"told": 2}, "instance_count is 3", id="set"),
        pytest.param(replace(SCALED, paused_count=2), {}, "autoscaling is paused", id="paused"),
        pytest.param(
            replace(SCALED, paused_count=9),
            {"told_paused": True},
            "autoscaling is paused, 9 set by hand",
            id="set while paused, whatever the bounds are",
        ),
        pytest.param(SCALED, {"told_paused": True}, "autoscaling goes on", id="resumed"),
        pytest.param(
            FIXED, {"told": 2, "told_paused": True}, "instance_count is 3", id="no more scaling"
        ),
    ],
)
def test_each_change_has_its_reason(record, state, reason):
    """From the count that was told last to the one that is wanted now."""
    change = change_by_hand(record, replace(STATE, **state))

    assert change.reason == reason
    assert change.before == 2


@pytest.mark.parametrize(
    ("record", "state"),
    [
        pytest.param(SCALED, {}, id="as told"),
        pytest.param(FIXED, {"told": 3}, id="a fixed count, as told"),
        pytest.param(replace(SCALED, paused_count=2), {"told_paused": True}, id="still paused"),
        pytest.param(FIXED, {"told": None}, id="the first count is no change"),
    ],
)
def test_what_has_not_changed_is_not_told(record, state):
    """Nor is it told twice."""
    assert change_by_hand(record, replace(STATE, **state)) is None
