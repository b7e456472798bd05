"""Deployments whose count follows the load; the stubs never take a request off the queue."""

import pytest
from msgspec.structs import replace

from mesh import subjects
from mesh.api import DeploymentView
from mesh.scales import read_scale_changes
from mesh.spec.deployment import ScaleSettings
from tests.integration.scaler.conftest import deployment

pytestmark = pytest.mark.timeout(30)  # several starts and delays, one after another
WORK = subjects.work("iris", "blue", "interactive")
BLUE = {"endpoint": "iris", "name": "blue"}
SHADOW = subjects.work("iris", "blue", "shadow")


def scaled(**changes):
    known = {
        "type": "target_utilization",
        "max_instances": 3,
        "target_utilization_percentage": 100,
        "scale_in_delay_s": 0.5,
    }
    return deployment(scale_settings=ScaleSettings(**known | changes))


def changed(stub="ok", **changes):
    """The same with one variable more, which makes a new generation."""
    return replace(scaled(**changes), environment_variables={"STUB": stub, "A": "b"})


def counts(wanted):
    """Whether so many instances are wanted, ready and all there is."""
    return lambda view: {view.instance_count, view.ready_instances, len(view.instances)} == {wanted}


async def steps(rig):
    """The changes told so far."""
    return await read_scale_changes(rig.bus, "iris", "blue", 50)


@pytest.fixture
async def blue(rig):
    """Create the deployment with these settings and wait until it serves."""
    await rig.endpoint()

    async def create(**changes):
        await rig.create(scaled(**changes))
        return await rig.settled()

    return create


async def purge(rig):
    """Take every request off the queue."""
    await rig.bus.api(f"STREAM.PURGE.{subjects.work_stream('iris', 'blue')}", {})


async def test_a_burst_brings_more_and_its_end_fewer(rig, blue):
    """As many as the queue needs at once, as few as it needs after the delay; both are told."""
    await blue()
    for _ in range(5):
        await rig.bus.publish(WORK, b"{}")  # in one write: no look at the queue falls in between
    await rig.bus.flush()

    many = await rig.until(counts(3))
    await purge(rig)
    few = await rig.until(counts(1))
    out, back = await steps(rig)

    assert (many.provisioning_state, few.provisioning_state) == ("Succeeded", "Succeeded")
    assert (out.before, out.after, out.queue["interactive"]) == (1, 3, 5)
    assert (out.asked["utilization"], out.ready, out.slots) == (5, 1, 1)
    assert "max_instances is 3" in out.reason
    assert (out.seen.depth, out.seen.in_flight, out.seen.current) == (5, 0, 1)
    assert out.seen.startup_s > 0
    assert (back.before, back.after, back.reason) == (3, 1, "no more than 1 needed for 0.5 s")
    assert few.scaling.reason == back.reason


async def test_zero_and_back(rig, blue):
    """Nobody asks, nothing runs; a request starts one."""
    view = await blue(min_instances=0)
    asleep = await rig.until(counts(0))

    await rig.bus.request(WORK, b"{}")
    await rig.until(counts(1))

    assert view.ready_instances == 1
    assert (asleep.provisioning_state, asleep.serving_generation) == ("Succeeded", 1)
    assert [(one.before, one.after) for one in await steps(rig)] == [(1, 0), (0, 1)]


async def test_shadows_ask_for_one(rig, blue):
    """Copies wake a deployment that sleeps, and are never a reason for more."""
    await blue(min_instances=0)
    await rig.until(counts(0))

    for _ in range(5):
        await rig.bus.request(SHADOW, b"{}")
    view = await rig.until(counts(1))

    assert view.queue["shadow"] == 5
    assert (await steps(rig))[-1].asked == {"shadows": 1}


async def test_a_new_generation_of_what_sleeps_shows_that_it_starts(rig, blue):
    """An update starts one instance though nobody asks; then the deployment sleeps again."""
    await blue(min_instances=0)
    await rig.until(counts(0))

    await rig.update(changed(min_instances=0))
    await rig.until(lambda view: view.serving_generation == 2)
    view = await rig.until(counts(0))

    assert view.provisioning_state == "Succeeded"
    assert [one.reason for one in await steps(rig)][1:] == [
        "a generation has to show that it starts",
        "no requests for 0.5 s",
    ]


async def test_one_instance_proves_what_sleeps(rig, blue):
    """Of the generation that sleeps nothing is started meanwhile."""
    await blue(min_instances=0)
    await rig.until(counts(0))
    views = []

    await rig.update(changed(min_instances=0))
    await rig.until(lambda view: views.append(view) or view.serving_generation == 2)

    assert max(len(view.instances) for view in views) == 1
    assert {i.generation for view in views for i in view.instances} == {2}


async def test_what_sleeps_wakes_after_a_failed_update(rig, blue):
    """The old generation still answers, though none of its instances runs."""
    await blue(min_instances=0)
    await rig.until(counts(0))
    await rig.update(changed(stub="fail", min_instances=0))
    await rig.until(lambda view: view.provisioning_state == "Failed")
    await rig.until(counts(0))

    await rig.bus.request(WORK, b"{}")
    view = await rig.until(lambda view: view.ready_instances == 1)

    assert (view.generation, view.serving_generation) == (2, 1)


async def test_new_bounds_start_no_generation(rig, blue):
    """More instances at least: the change is waited for and explained."""
    await blue()

    made = await rig.update(scaled(min_instances=2))
    view = await rig.settled()

    assert made.provisioning_state == "Scaling"
    assert (view.generation, view.ready_instances) == (1, 2)
    assert [one.reason for one in await steps(rig)] == ["min_instances is 2"]


async def test_a_count_by_hand_is_refused(rig, blue):
    """It would not last; the message says what to change instead."""
    await blue()

    request = {"endpoint": "iris", "name": "blue", "instance_count": 2}
    code, message = await rig.refused("deployment.scale", request)

    assert code == "conflict"
    assert "scale_settings.min_instances" in message


async def test_a_count_by_hand_while_autoscaling_is_paused(rig, blue):
    """The load changes nothing until it goes on; each step is in the history, with its reason."""
    await blue()
    paused = await rig.do("deployment.pause", BLUE, DeploymentView)
    await rig.bus.request(WORK, b"{}")
    await rig.ask("deployment.scale", {"endpoint": "iris", "name": "blue", "instance_count": 2})
    await rig.until(counts(2))
    view = await rig.settled()
    await purge(rig)

    await rig.ask("deployment.resume", BLUE)
    await rig.until(counts(1))

    assert paused.scaling.paused
    assert (view.provisioning_state, view.generation) == ("Succeeded", 1)
    assert [(one.before, one.after, one.reason) for one in await steps(rig)] == [
        (1, 1, "autoscaling is paused"),
        (1, 2, "autoscaling is paused, 2 set by hand"),
        (2, 2, "autoscaling goes on"),
        (2, 1, "no more than 1 needed for 0.5 s"),
    ]


async def test_a_pause_outlives_the_scaler(rig, blue):
    """It is part of what is desired, as the count is that somebody set meanwhile."""
    await blue(min_instances=0)
    await rig.until(counts(0))
    await rig.ask("deployment.pause", BLUE)

    await rig.stop()
    await rig.start()
    await rig.bus.request(WORK, b"{}")
    again = await rig.do("deployment.pause", BLUE, DeploymentView)
    await rig.ask("deployment.scale", {"endpoint": "iris", "name": "blue", "instance_count": 1})
    await rig.until(counts(1))

    assert (again.instance_count, again.scaling.paused) == (0, True)


async def test_only_what_scales_by_load_is_paused(rig):
    """The message says what it lacks."""
    await rig.endpoint()
    await rig.create(deployment())
    await rig.settled()

    code, message = await rig.refused("deployment.pause", BLUE)

    assert code == "conflict"
    assert "scale_settings.type" in message


async def test_a_count_that_somebody_sets_is_in_the_history(rig):
    """Where nothing scales by load too, and when it begins or ends to."""
    await rig.endpoint()
    await rig.create(deployment())
    await rig.settled()
    await rig.ask("deployment.scale", {"endpoint": "iris", "name": "blue", "instance_count": 2})
    await rig.until(counts(2))

    await rig.update(scaled(min_instances=3))
    await rig.until(counts(3))
    await rig.update(deployment(instance_count=1))
    await rig.until(counts(1))

    assert [(one.before, one.after, one.reason) for one in await steps(rig)] == [
        (1, 2, "instance_count is 2"),
        (2, 3, "min_instances is 3"),
        (3, 1, "instance_count is 1"),
    ]


async def test_the_next_scaler_goes_on_with_the_count(rig, blue):
    """What was wanted is remembered with the deployment, and kept for a delay of its own."""
    await blue(scale_in_delay_s=60.0)
    for _ in range(2):
        await rig.bus.request(WORK, b"{}")
    await rig.until(counts(2))
    await purge(rig)

    await rig.stop()
    await rig.start()
    view = await rig.until(counts(2))

    assert "2 requests queued or running" in view.scaling.reason
    assert len(await steps(rig)) == 1


async def test_metrics_tell_the_count_its_bounds_and_its_changes(rig, blue):
    """What is wanted, between what, and how often it changed."""
    await blue()
    for _ in range(2):
        await rig.bus.request(WORK, b"{}")
    await rig.until(counts(2))

    labels = 'deployment="blue",endpoint="iris"'
    text = await rig.metrics(
        'mesh_scale_changes_total{deployment="blue",direction="out",endpoint="iris"} 1.0'
    )

    assert f"mesh_instances_wanted{{{labels}}} 2.0" in text
    assert f"mesh_instances_min{{{labels}}} 1.0" in text
    assert f"mesh_instances_max{{{labels}}} 3.0" in text


async def test_scaling_ends_with_the_deployment(rig, blue):
    """A deployment that is deleted and made again begins anew."""
    await blue(min_instances=0)
    await rig.until(counts(0))
    await rig.ask("deployment.delete", {"endpoint": "iris", "name": "blue"})
    await rig.until(lambda view: view is None)

    await rig.create(scaled(scale_in_delay_s=60.0))
    view = await rig.settled()
    text = await rig.metrics('mesh_instances_wanted{deployment="blue",endpoint="iris"} 1.0')

    assert (view.instance_count, view.scaling.reason) == (1, "")
    changes = 'mesh_scale_changes_total{deployment="blue",direction="in",endpoint="iris"}'
    assert f"{changes} 0.0" in text
