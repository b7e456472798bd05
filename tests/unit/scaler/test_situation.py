"""What is wanted of a deployment whose count follows the load, and how far it has come."""

import pytest
from msgspec.structs import replace

from mesh.records import DeploymentRecord, DeploymentState
from mesh.spec.deployment import DeploymentSpec, ScaleSettings
from scaler.depth import trouble
from scaler.reconcile import decide
from scaler.situation import Drain, Instance, Launch, Situation, provisioning, wanted

SCALE = ScaleSettings(type="target_utilization", min_instances=0, max_instances=4)
SPEC = DeploymentSpec(name="blue", endpoint_name="iris", instance_count=9, scale_settings=SCALE)
RECORD = DeploymentRecord(spec=SPEC, generation=1)
SERVING = DeploymentState(state="Succeeded", generation=1, serving=1, settled=2, target=2)


def instances(*names, phase="ready", generation=1, **changes):
    return tuple(
        Instance(instance=name, generation=generation, phase=phase, **changes) for name in names
    )


@pytest.mark.parametrize(
    ("record", "state", "count"),
    [
        pytest.param({}, {"target": 3}, 3, id="what the load asks for"),
        pytest.param({}, {"target": 0}, 0, id="nothing"),
        pytest.param({}, {"target": None}, 4, id="the count to begin with, within the bounds"),
        pytest.param({}, {"target": 7}, 4, id="new bounds count at once"),
        pytest.param({"paused_count": 9}, {"target": 2}, 9, id="paused: what somebody set"),
        pytest.param({"paused_count": 0}, {"target": 2}, 0, id="paused asleep"),
        pytest.param(
            {"paused_count": 0, "generation": 2},
            {"target": 0},
            1,
            id="paused, but a new generation",
        ),
        pytest.param({"generation": 2}, {"target": 0}, 1, id="a new generation shows itself"),
        pytest.param(
            {"generation": 2}, {"target": 0, "failed_generation": 2}, 0, id="a failed one has"
        ),
    ],
)
def test_how_many_are_wanted(record, state, count):
    """The target within the bounds, and one for a generation that has yet to start."""
    assert wanted(replace(RECORD, **record), replace(SERVING, **state)) == count


@pytest.mark.parametrize(
    ("least", "most", "settled", "state"),
    [
        pytest.param(0, 4, 0, "Succeeded", id="asleep"),
        pytest.param(1, 4, 3, "Succeeded", id="any count within the bounds"),
        pytest.param(3, 4, 2, "Scaling", id="somebody asked for more"),
        pytest.param(0, 1, 2, "Scaling", id="somebody asked for fewer"),
    ],
)
def test_only_what_somebody_asked_for_is_waited_for(least, most, settled, state):
    """The load moves the count all the time; no wait begins or ends with it."""
    scale = replace(SCALE, min_instances=least, max_instances=most)
    record = replace(RECORD, spec=replace(SPEC, scale_settings=scale))

    assert provisioning(record, replace(SERVING, settled=settled)) == state


@pytest.mark.parametrize(("settled", "state"), [(3, "Scaling"), (9, "Succeeded")])
def test_a_count_set_in_a_pause_is_waited_for(settled, state):
    """It is what somebody asked for, whatever the bounds are."""
    record = replace(RECORD, paused_count=9)

    assert provisioning(record, replace(SERVING, settled=settled)) == state


def test_the_least_busy_instances_go():
    """What a drain interrupts least."""
    seen = Situation(
        record=RECORD,
        state=replace(SERVING, target=1),
        instances=instances("a", in_flight=2) + instances("b") + instances("c", in_flight=1),
    )

    assert decide(seen, 0.0).actions == (Drain("b", "1 wanted"), Drain("c", "1 wanted"))


def test_the_last_instance_of_what_serves_goes_to_sleep():
    """Zero is a count like any other; the generation goes on serving."""
    seen = Situation(record=RECORD, state=replace(SERVING, target=0), instances=instances("a"))

    plan = decide(seen, 0.0)
    asleep = decide(replace(seen, instances=(), state=plan.state), 0.0)

    assert plan.actions == (Drain("a", "0 wanted"),)
    assert asleep.actions == ()
    assert (asleep.state.state, asleep.state.serving, asleep.state.settled) == ("Succeeded", 1, 0)


def test_no_generation_serves_before_an_instance_was_ready():
    """Zero of zero instances ready proves nothing."""
    seen = Situation(record=replace(RECORD, generation=2), state=replace(SERVING, target=0))

    plan = decide(seen, 0.0)

    assert plan.state.serving == 1
    assert Launch(2, "0 of 1 instances") in plan.actions


@pytest.mark.parametrize(
    ("state", "is_refused"),
    [
        pytest.param({"state": "Succeeded"}, False, id="healthy, asleep"),
        pytest.param({"state": "Failed", "serving": 1}, False, id="an older generation sleeps"),
        pytest.param({"state": "Failed", "serving": 0}, True, id="nothing ever served"),
        pytest.param({"state": "Failed", "target": None}, False, id="an older one starts again"),
    ],
)
def test_requests_are_refused_only_if_none_can_wake_it(state, is_refused):
    """Gateways refuse at once what nobody will answer, and nothing else."""
    assert bool(trouble(replace(SERVING, **state), 0)) is is_refused
