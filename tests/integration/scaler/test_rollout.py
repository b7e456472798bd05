"""Deployments through their life: created, updated, scaled, crashed, deleted."""

import os
import signal

from tests.integration.scaler.conftest import alive, deployment


async def test_deployment_succeeds_with_its_instances(rig):
    """A created deployment gets its instances and is Succeeded when all are ready."""
    await rig.endpoint()
    made = await rig.create(deployment(instance_count=2))

    view = await rig.settled()

    assert made.provisioning_state == "Creating"
    assert (view.provisioning_state, view.ready_instances, view.generation) == ("Succeeded", 2, 1)
    assert all(alive(instance) for instance in view.instances)


async def test_boot_failure_is_told_at_once(rig):
    """A model that cannot start fails the deployment with its own words, and is not retried."""
    await rig.endpoint()
    await rig.create(deployment(stub="fail"))

    view = await rig.settled()

    assert view.provisioning_state == "Failed"
    assert "ValueError: no model here" in view.reason
    assert view.ready_instances == 0


async def test_crash_before_ready_is_retried_then_failed(rig):
    """Other early ends are tried again three times."""
    await rig.endpoint()
    await rig.create(deployment(stub="crash"))

    view = await rig.settled()

    assert view.provisioning_state == "Failed"
    assert "exited with code 7" in view.reason


async def test_update_replaces_instances_without_a_gap(rig):
    """The new generation is ready before the old one is drained."""
    await rig.endpoint()
    await rig.create(deployment())
    old = await rig.settled()
    ready = []

    await rig.update(deployment(description="x", stub="ok", app_insights_enabled=True))
    view = await rig.until(
        lambda view: ready.append(view.ready_instances) or view.provisioning_state == "Succeeded"
    )

    assert (view.generation, view.serving_generation) == (2, 2)
    assert min(ready) >= 1
    await rig.until(lambda view: not alive(old.instances[0]))


async def test_failed_update_leaves_the_old_generation(rig):
    """A new generation that cannot boot is Failed, with its reason; the old one still serves."""
    await rig.endpoint()
    await rig.create(deployment())
    old = await rig.settled()

    await rig.update(deployment(stub="fail"))
    view = await rig.settled()

    assert (view.provisioning_state, view.generation, view.serving_generation) == ("Failed", 2, 1)
    assert "no model here" in view.reason
    assert alive(old.instances[0])


async def test_update_of_a_failed_deployment_tries_again(rig):
    """Putting the same spec again is how to ask for another try."""
    await rig.endpoint()
    await rig.create(deployment(stub="fail"))
    await rig.settled()

    again = await rig.update(deployment(stub="fail"))

    assert (again.generation, again.provisioning_state) == (2, "Creating")


async def test_scale_changes_only_the_count(rig):
    """Scaling keeps the running instances and the generation."""
    await rig.endpoint()
    await rig.create(deployment())
    [first] = (await rig.settled()).instances

    await rig.ask("deployment.scale", {"endpoint": "iris", "name": "blue", "instance_count": 2})
    more = await rig.until(lambda view: view.provisioning_state == "Succeeded")
    await rig.update(deployment(instance_count=1, tags={"a": "b"}))
    less = await rig.until(
        lambda view: view.provisioning_state == "Succeeded" and view.ready_instances == 1
    )

    assert (more.generation, more.ready_instances) == (1, 2)
    assert first.instance in {instance.instance for instance in more.instances}
    assert less.generation == 1


async def test_killed_instance_is_replaced(rig):
    """An instance that dies comes back by itself, and the deployment stays Succeeded."""
    await rig.endpoint()
    await rig.create(deployment())
    [first] = (await rig.settled()).instances

    os.kill(first.pid, signal.SIGKILL)
    view = await rig.until(
        lambda view: any(
            instance.state == "ready" and instance.pid != first.pid for instance in view.instances
        )
    )

    assert view.provisioning_state == "Succeeded"


async def test_stubborn_instance_is_killed(rig):
    """An instance that does not drain is ended after its grace."""
    await rig.endpoint()
    await rig.create(deployment(stub="stubborn", mesh={"drain_timeout_s": 0.0}))
    [first] = (await rig.settled()).instances

    await rig.ask("deployment.delete", {"endpoint": "iris", "name": "blue"})
    await rig.until(lambda view: view is None)

    assert not alive(first)


async def test_next_scaler_adopts_the_instances(rig):
    """Workers survive the scaler; the next one finds them and starts no second one."""
    await rig.endpoint()
    await rig.create(deployment(instance_count=2))
    before = await rig.settled()

    assert await rig.stop() == 0
    os.kill(before.instances[0].pid, signal.SIGKILL)
    await rig.start()
    view = await rig.until(lambda view: view.ready_instances == 2)

    kept = before.instances[1]
    assert alive(kept)
    assert kept.instance in {instance.instance for instance in view.instances}


async def test_next_scaler_shows_what_was_there(rig):
    """A scaler that has just started answers once everyone has had time to speak."""
    await rig.endpoint()
    await rig.create(deployment())
    await rig.settled()

    await rig.stop()
    rig.first_beats_s = 1.0
    await rig.start()
    view = await rig.view()

    assert (view.provisioning_state, view.ready_instances) == ("Succeeded", 1)


async def test_broker_restart_changes_nothing(rig):
    """After the broker was killed the same instances serve and verbs are answered again."""
    await rig.endpoint()
    await rig.create(deployment())
    [first] = (await rig.settled()).instances

    await rig.restart_broker()
    view = await rig.until(lambda view: view is not None and view.ready_instances == 1)

    assert view.provisioning_state == "Succeeded"
    assert view.instances[0].pid == first.pid
