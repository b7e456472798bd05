"""Updates in waves, what stops them, and going back."""

import re

import pytest

from mesh.api import DeploymentView
from mesh.generation_api import GenerationView
from tests.integration.scaler.conftest import alive, deployment

pytestmark = pytest.mark.timeout(60)  # several waves, one after another
FIGURES = "20 of 20 answers failed"
FOUR = {"instance_count": 4}
NAMES = {"endpoint": "iris", "name": "blue"}


@pytest.fixture
async def four(rig):
    """A deployment of four instances that serves."""
    await rig.endpoint()
    await rig.create(deployment(**FOUR))
    await rig.settled()
    return rig


def changed(stub="ok", **changes):
    """A spec that makes a new generation."""
    return deployment(stub=stub, **{**FOUR, "app_insights_enabled": True, **changes})


async def history(rig):
    return await rig.do("deployment.history", NAMES, list[GenerationView])


async def rollback(rig, **changes):
    return await rig.do("deployment.rollback", {**NAMES, **changes}, DeploymentView)


def is_whole(generation):
    """Whether all four are ready and of one generation."""
    return lambda view: (
        [i.generation for i in view.instances if i.state == "ready"] == ([generation] * 4)
    )


async def test_an_update_goes_in_waves(four):
    """Never more than the surge beyond the count, and as many ready as are wanted."""
    seen = []

    await four.update(changed())
    view = await four.until(lambda view: seen.append(view) or is_whole(2)(view))

    states = [[i.state for i in view.instances if i.state != "draining"] for view in seen]
    assert view.provisioning_state == "Succeeded"
    assert max(map(len, states)) <= 5
    assert min(one.count("ready") for one in states) >= 4


async def test_a_suspect_stops_the_update(four):
    """It has failed, with the instance and its figures; what served before is as it was."""
    before = await four.view()

    await four.update(changed("suspect"))
    view = await four.settled()
    rest = await four.until(lambda view: len(view.instances) == 4)

    assert (view.provisioning_state, view.serving_generation) == ("Failed", 1)
    assert view.reason.startswith("instance g2-")
    assert view.reason.endswith(f"is suspect: {FIGURES}")
    assert {i.instance for i in rest.instances} == {i.instance for i in before.instances}


async def test_an_instance_that_stays_unready_fails_the_update(four):
    """After the progress deadline, and no sooner."""
    options = {"rollout": {"progress_deadline_s": 1.0}}

    await four.update(changed("unready", mesh=options))
    view = await four.settled()

    assert (view.provisioning_state, view.serving_generation) == ("Failed", 1)
    assert re.search(r"is (starting|unready) \(for \d+ s, 1 s are given\)", view.reason)


async def test_a_suspect_of_what_serves_is_replaced(rig):
    """As a crash: with the reason in sight, and a wait that grows."""
    await rig.endpoint()
    await rig.create(deployment(stub="spoilt"))

    view = await rig.until(lambda view: "crash 2 in a row" in view.reason)

    assert view.provisioning_state == "Succeeded"
    assert f"was suspect: {FIGURES}" in view.reason


async def test_the_next_scaler_goes_on_with_an_update(four):
    """A scaler that ends midway leaves all it takes to go on."""
    await four.update(changed())
    await four.until(lambda view: any(i.generation == 2 for i in view.instances))

    await four.stop()
    await four.start()
    view = await four.until(is_whole(2))
    await four.until(lambda view: len(view.instances) == 4)

    assert (await four.settled()).provisioning_state == "Succeeded"
    assert view.serving_generation == 2


async def test_an_update_during_an_update(four):
    """The last one wins; the one between is superseded, and everybody is of the last."""
    await four.update(changed("unready"))
    await four.until(lambda view: any(i.generation == 2 for i in view.instances))

    await four.update(changed())
    await four.until(is_whole(3))

    states = [(view.generation, view.state) for view in await history(four)]
    assert states == [(1, "superseded"), (2, "superseded"), (3, "serving")]


async def test_scaling_comes_before_the_rest(four):
    """Of an update of both, the first new instances are of the generation that serves."""
    await four.update(changed(instance_count=6))
    view = await four.until(lambda view: any(i.generation == 2 for i in view.instances))

    old = [i for i in view.instances if i.generation == 1 and i.state == "ready"]
    assert len(old) == 6


async def test_history_tells_what_changed_and_what_became_of_it(four):
    """Each generation with its change on a line, its state, and why it has failed."""
    await four.update(changed("fail"))
    await four.settled()

    first, second = await history(four)

    assert (first.generation, first.change, first.state) == (1, "created", "serving")
    assert (second.state, second.reason) == ("failed", "ValueError: no model here")
    assert "environment_variables.STUB: ok -> fail" in second.change
    assert second.at_s > first.at_s


async def test_rollback_makes_a_new_generation_of_an_old_one(four):
    """Its spec is the old one's; how many instances there are stays."""
    await four.update(changed(tags={"a": "b"}))
    await four.until(is_whole(2))
    await four.do("deployment.scale", {**NAMES, "instance_count": 3}, DeploymentView)

    view = await rollback(four, max_surge="100%")
    await four.until(lambda view: view.serving_generation == 3)

    assert (view.generation, view.instance_count) == (3, 3)
    assert "app_insights_enabled" not in view.spec
    assert view.spec["mesh"]["rollout"] == {"max_surge": "100%"}
    assert (await history(four))[-1].change == "rollback to generation 1"


async def test_rollback_after_a_failure_goes_to_what_serves(four):
    """The desired state is then what runs."""
    await four.update(changed("fail"))
    await four.settled()

    view = await rollback(four)
    await four.until(is_whole(3))

    assert view.spec["environment_variables"] == {"STUB": "ok"}


async def test_rollback_during_an_update_goes_to_what_serves(four):
    """Not to one between that was superseded before it had shown anything."""
    await four.update(changed("unready"))
    await four.update(changed("unready", app_insights_enabled=False))

    view = await rollback(four)

    assert (view.generation, (await history(four))[-1].change) == (4, "rollback to generation 1")


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        pytest.param({}, "conflict", "no earlier generation to roll back to", id="the first"),
        pytest.param({"to": 1}, "conflict", "is at generation 1 already", id="itself"),
        pytest.param({"to": 7}, "not_found", "has no generation 7; there are 1", id="none"),
        pytest.param({"name": "red"}, "not_found", "has no deployment 'red'", id="nobody"),
        pytest.param({"to": "x"}, "bad_spec", "Expected `int | null`", id="no number"),
    ],
)
async def test_what_cannot_be_rolled_back_is_refused(four, request_, code, message):
    """With what there is instead."""
    refused = await four.refused("deployment.rollback", {**NAMES, **request_})

    assert refused[0] == code
    assert message in refused[1]


async def test_rollouts_are_counted(four):
    """By outcome, from zero on."""
    line = 'mesh_rollouts_total{{deployment="blue",endpoint="iris",outcome="{}"}} {}.0'
    await four.metrics(line.format("failed", 0))

    await four.update(changed("fail"))
    await four.settled()

    await four.metrics(line.format("failed", 1))
    await four.metrics(line.format("completed", 1))


async def test_how_it_is_rolled_out_starts_no_generation(four):
    """The options of rollouts are nothing to those that run."""
    before = await four.view()

    view = await four.update(deployment(**FOUR, mesh={"rollout": {"max_surge": 2}}))

    assert view.generation == before.generation
    assert all(alive(i) for i in before.instances)
