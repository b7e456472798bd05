"""The decision about one deployment, case by case and by property."""

import pytest
from msgspec.structs import replace

from mesh.records import DeploymentRecord, DeploymentState
from mesh.spec.deployment import DeploymentSpec
from scaler.crashes import Crashes
from scaler.reconcile import EMPTYING_S, decide
from scaler.situation import (
    Collect,
    Drain,
    Instance,
    Kill,
    Launch,
    Remove,
    Situation,
    TakeTraffic,
)

NEW = DeploymentState(state="Creating")
OLD = DeploymentState(state="Succeeded", generation=1, serving=1, settled=2, ready=2)


def record(generation=1, count=2, **changes):
    spec = DeploymentSpec(name="blue", endpoint_name="iris", instance_count=count)
    return DeploymentRecord(spec=spec, generation=generation, **changes)


def instances(phase, *names, generation=1, **changes):
    return tuple(
        Instance(instance=name, generation=generation, phase=phase, **changes) for name in names
    )


def kinds(plan, kind):
    return [action for action in plan.actions if isinstance(action, kind)]


def test_new_deployment_starts_its_instances():
    """A deployment without processes gets as many as it asks for."""
    plan = decide(Situation(record=record(), state=NEW), 0.0)

    assert [action.generation for action in kinds(plan, Launch)] == [1, 1]
    assert plan.state.state == "Creating"


def test_deployment_succeeds_when_all_are_ready():
    """Ready as a whole means serving and Succeeded."""
    seen = Situation(record=record(), state=NEW, instances=instances("ready", "a", "b"))

    plan = decide(seen, 0.0)

    assert (plan.state.state, plan.state.serving, plan.state.ready) == ("Succeeded", 1, 2)
    assert plan.actions == ()


@pytest.mark.parametrize("phase", ["starting", "ready", "silent", "failed", "ending"])
def test_living_process_keeps_its_place(phase):
    """Whatever a process is doing, no second one is started for its place."""
    seen = Situation(record=record(), state=OLD, instances=instances(phase, "a", "b"))

    assert not kinds(decide(seen, 0.0), Launch)


def test_draining_process_does_not_hold_a_place():
    """A process on its way out is replaced at once."""
    seen = Situation(
        record=record(),
        state=OLD,
        instances=instances("draining", "a") + instances("ready", "b"),
    )

    assert len(kinds(decide(seen, 0.0), Launch)) == 1


def test_update_starts_a_wave_beside_the_old():
    """Of a new generation as many start as the surge allows, while the old one goes on."""
    seen = Situation(record=record(generation=2), state=OLD, instances=instances("ready", "a", "b"))

    plan = decide(seen, 0.0)

    assert [action.generation for action in plan.actions] == [2]
    assert plan.state.state == "Updating"


def test_update_retires_an_old_one_for_each_new_one_that_is_ready():
    """What the new generation can do the old one need not; the next wave starts in its place."""
    seen = Situation(
        record=record(generation=2),
        state=OLD,
        instances=instances("ready", "a", in_flight=1)
        + instances("ready", "b")
        + instances("ready", "c", generation=2),
    )

    assert decide(seen, 0.0).actions == (
        Drain("b", "generation 1 is not to serve"),
        Launch(2, "1 of 2 instances"),
    )


def test_update_drains_old_when_new_is_ready():
    """The switch: the new generation serves, the old one is drained."""
    seen = Situation(
        record=record(generation=2),
        state=OLD,
        instances=instances("ready", "a", "b") + instances("ready", "c", "d", generation=2),
    )

    plan = decide(seen, 0.0)

    assert {action.instance for action in kinds(plan, Drain)} == {"a", "b"}
    assert (plan.state.state, plan.state.serving) == ("Succeeded", 2)


def test_failed_update_goes_back_to_old():
    """A generation that cannot boot is given up at once; the old one is made whole again."""
    seen = Situation(
        record=record(generation=2),
        state=OLD,
        instances=instances("ready", "a")
        + instances("ready", "c", generation=2)
        + instances("starting", "d", generation=2),
        crashes={2: Crashes(count=1, reason="ValueError: no model", boot_failed=True)},
    )

    plan = decide(seen, 0.0)

    assert plan.state.state == "Failed"
    assert plan.state.reason == "ValueError: no model"
    assert (plan.state.serving, plan.state.failures) == (1, {2: "ValueError: no model"})
    assert [action.generation for action in kinds(plan, Launch)] == [1]
    assert [action.instance for action in kinds(plan, Drain)] == ["d"]


def test_failed_state_is_not_tried_again():
    """A failed first generation stays failed, with its reason, and starts nothing."""
    state = replace(NEW, state="Failed", failed_generation=1, reason="no model")

    plan = decide(Situation(record=record(), state=state), 0.0)

    assert plan.actions == ()
    assert (plan.state.state, plan.state.reason) == ("Failed", "no model")


def test_update_after_failure_tries_again():
    """A newer generation than the failed one gets its chance."""
    state = replace(NEW, state="Failed", failed_generation=1, reason="no model")

    plan = decide(Situation(record=record(generation=2), state=state), 0.0)

    assert len(kinds(plan, Launch)) == 2
    assert (plan.state.state, plan.state.reason) == ("Creating", "")


def test_half_ready_generation_answers_until_the_next_is_ready():
    """If nothing has ever been ready as a whole, what is ready is kept while the next starts."""
    seen = Situation(
        record=record(generation=2),
        state=NEW,
        instances=instances("ready", "a") + instances("starting", "b", "c", "d"),
    )

    plan = decide(seen, 0.0)

    assert {action.instance for action in kinds(plan, Drain)} == {"b", "c", "d"}
    assert len(kinds(plan, Launch)) == 2


def test_crash_waits_for_its_back_off():
    """The next start comes when it is due, and the plan says when."""
    crashes = {1: Crashes(count=2, retry_at_s=10.5, reason="exited with code 1")}
    seen = Situation(record=record(), state=OLD, crashes=crashes)

    early, due = decide(seen, 10.0), decide(seen, 10.5)

    assert (early.actions, early.again_s) == ((), 0.5)
    assert early.state.reason == "exited with code 1 (crash 2 in a row)"
    assert len(kinds(due, Launch)) == 2


def test_served_generation_never_fails():
    """What has served is restarted for ever, and stays Succeeded with a reason."""
    crashes = {1: Crashes(count=50, retry_at_s=0.0, reason="exited", boot_failed=True)}

    plan = decide(Situation(record=record(), state=OLD, crashes=crashes), 1.0)

    assert plan.state.state == "Succeeded"
    assert len(kinds(plan, Launch)) == 2


def test_scale_down_drains_the_least_busy():
    """The instance with the least work goes."""
    busy = instances("ready", "a", in_flight=3) + instances("ready", "c", in_flight=2)
    idle = instances("ready", "b", in_flight=1)
    seen = Situation(record=record(count=2), state=OLD, instances=busy + idle)

    assert [action.instance for action in kinds(decide(seen, 0.0), Drain)] == ["b"]


@pytest.mark.parametrize(("joined_s", "drained"), [(1.0, "b"), (60.0, "hand")])
def test_who_has_just_joined_by_hand_stays(joined_s, drained):
    """Nothing is in flight there yet: another one goes. Later the least busy one does."""
    own = instances("ready", "a", in_flight=3, for_s=60) + instances("ready", "b", in_flight=1)
    hand = instances("ready", "hand", by_hand=True, for_s=joined_s)
    seen = Situation(record=record(count=2), state=OLD, instances=own + hand)

    assert [action.instance for action in kinds(decide(seen, 0.0), Drain)] == [drained]


def test_scale_up_shows_scaling_until_reached():
    """A changed instance count is Scaling, and Succeeded once it is reached."""
    three = record(count=3)
    under = Situation(record=three, state=OLD, instances=instances("ready", "a", "b"))
    reached = replace(under, instances=instances("ready", "a", "b", "c"))

    assert decide(under, 0.0).state.state == "Scaling"
    assert decide(reached, 0.0).state.state == "Succeeded"


@pytest.mark.parametrize("phase", ["draining", "silent", "failed"])
def test_overdue_instance_is_killed(phase):
    """What neither works nor ends is ended, after its grace."""
    late = instances(phase, "a", for_s=31.0)
    early = instances(phase, "b", for_s=1.0)
    seen = Situation(record=record(), state=OLD, instances=late + early, drain_grace_s=30.0)

    assert [action.instance for action in kinds(decide(seen, 0.0), Kill)] == ["a"]


def test_old_generation_records_are_collected():
    """The last ten stay, and those that something serves, starts or drains."""
    seen = Situation(
        record=record(generation=14),
        state=replace(OLD, serving=3),
        instances=instances("draining", "a", generation=2),
        kept=frozenset(range(1, 16)),  # 15 is written just before the record names it
    )

    assert kinds(decide(seen, 0.0), Collect) == [Collect(1), Collect(4)]


def test_all_traffic_is_taken_when_ready():
    """A deployment created with all_traffic takes it once ready, and only then has succeeded."""
    seen = Situation(
        record=record(all_traffic=True), state=NEW, instances=instances("ready", "a", "b")
    )

    plan = decide(seen, 0.0)

    assert kinds(plan, TakeTraffic) == [TakeTraffic()]
    assert plan.state.state == "Creating"


def test_deletion_waits_for_gateways_and_queue():
    """Workers stay until no gateway sends any more and nothing is queued."""
    seen = Situation(
        record=record(deleting=True), state=OLD, instances=instances("ready", "a"), waiting=0
    )

    assert decide(seen, 0.0).actions == ()
    assert decide(replace(seen, unrouted=True, waiting=1), 0.0).actions == ()
    assert len(kinds(decide(replace(seen, unrouted=True), 0.0), Drain)) == 1


def test_deletion_does_not_wait_for_ever():
    """After a bounded time it goes on whatever is queued."""
    seen = Situation(
        record=record(deleting=True),
        state=OLD,
        instances=instances("ready", "a"),
        waiting=9,
        deleting_for_s=EMPTYING_S + 6,
    )

    assert len(kinds(decide(seen, 0.0), Drain)) == 1


def test_deletion_removes_records_when_all_are_gone():
    """The records go last, after the last process."""
    seen = Situation(record=record(deleting=True), state=OLD, unrouted=True, waiting=0)

    assert decide(seen, 0.0).actions == (Remove(),)
    assert not kinds(decide(replace(seen, instances=instances("draining", "a")), 0.0), Remove)
