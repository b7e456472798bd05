"""The management verbs: what they do, what they refuse, and that they always answer."""

import asyncio
import hashlib

import msgspec
import pytest

from mesh import subjects, wire
from mesh.api import Credentials, DeploymentPut, EndpointPut, EndpointView, StatusView
from mesh.bus import Bucket
from mesh.figures import GpuFigures
from mesh.gpus import Gpu, Gpus
from mesh.records import AuthRecord
from mesh.spec.endpoint import EndpointSpec
from mesh.streams import stream_info
from mesh.wire import WorkerHeartbeat
from scaler.launchers.ledger import Ledger
from tests.integration.scaler.conftest import FakeGateway, deployment


def endpoint(name="iris", **changes):
    return EndpointPut(spec=EndpointSpec(name=name, **changes))


async def test_endpoint_is_made_with_two_keys(rig):
    """An endpoint has two keys; gateways get their digests only."""
    await rig.endpoint()

    keys = await rig.do("endpoint.credentials", {"name": "iris"}, Credentials)
    bucket = await Bucket.open(rig.bus, subjects.CONFIG_BUCKET)
    entry = await bucket.get(subjects.auth_key("iris"))

    both = (keys.primary_key, keys.secondary_key)
    assert len({*both}) == 2
    assert msgspec.json.decode(entry.value, type=AuthRecord).digests == [
        hashlib.sha256(key.encode()).hexdigest() for key in both
    ]


async def test_regenerated_key_leaves_the_other(rig):
    """One key is replaced, by the given value too."""
    await rig.endpoint()
    before = await rig.do("endpoint.credentials", {"name": "iris"}, Credentials)
    request = {"name": "iris", "key_type": "secondary", "key_value": "a-key-of-my-own-1"}

    after = await rig.do("endpoint.regenerate_keys", request, Credentials)

    assert after.primary_key == before.primary_key
    assert after.secondary_key == "a-key-of-my-own-1"


@pytest.mark.parametrize(
    ("verb", "body", "code", "words"),
    [
        ("nonsense", b"{}", "invalid_request", "unknown verb 'nonsense'"),
        ("endpoint.create", b"{", "invalid_request", "not JSON"),
        ("endpoint.create", b"\xff\xfe", "invalid_request", "not JSON"),
        ("endpoint.create", b"[]", "bad_spec", "Expected `object`"),
        ("endpoint.create", b'{"spec": {"name": 5}}', "bad_spec", "$.spec.name"),
        ("endpoint.create", b'{"spec": {"name": "x"}}', "bad_spec", "3-32 characters"),
        ("endpoint.create", b'{"spec": {"name": "iris", "colour": 1}}', "bad_spec", "colour"),
        ("endpoint.get", b'{"name": "nope"}', "not_found", "no endpoint 'nope'"),
        ("endpoint.delete", b'{"name": "nope"}', "not_found", "no endpoint 'nope'"),
        ("endpoint.credentials", b'{"name": "a.b"}', "not_found", "no endpoint"),
        ("deployment.get", b'{"endpoint": "nope", "name": "x"}', "not_found", "no endpoint"),
        ("deployment.list", b'{"endpoint": "nope"}', "not_found", "no endpoint"),
    ],
)  # fmt: skip
async def test_bad_requests_are_answered(rig, verb, body, code, words):
    """Whatever is asked, the answer says what is wrong."""
    got, message = await rig.refused(verb, body)

    assert got == code
    assert words in message


async def test_endpoint_rules(rig):
    """An endpoint exists once, and gets traffic only after its deployments."""
    assert (
        "cannot be set at creation"
        in (await rig.refused("endpoint.create", endpoint(traffic={"blue": 100})))[1]
    )
    await rig.endpoint()

    assert await rig.refused("endpoint.create", endpoint()) == (
        "conflict",
        "endpoint 'iris' exists already",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"traffic": {"blue": 90}}, "must sum to 0 or 100"),
        ({"traffic": {"purple": 100}}, "no deployment 'purple'; it has: blue, green"),
        ({"mirror_traffic": {"green": 51}}, "must be at most 50"),
        ({"mirror_traffic": {"green": 5, "blue": 5}}, "at most one"),
        ({"traffic": {"green": 100}, "mirror_traffic": {"green": 5}}, "not both"),
    ],
)  # fmt: skip
async def test_traffic_rules(rig, changes, words):
    """A split that breaks a rule is refused with the rule."""
    await rig.endpoint()
    await rig.create(deployment("blue"))
    await rig.create(deployment("green"))

    code, message = await rig.refused("endpoint.update", endpoint(**changes))

    assert code == "bad_spec"
    assert words in message


async def test_split_is_shown_with_zeros(rig):
    """What gets nothing is shown with 0; zeros that are sent are not kept."""
    await rig.endpoint()
    await rig.create(deployment("blue"))
    await rig.create(deployment("green"))

    view = await rig.route(traffic={"blue": 100, "green": 0}, mirror_traffic={"green": 10})

    assert view.traffic == {"blue": 100, "green": 0}
    assert view.mirror_traffic == {"green": 10}
    assert view.spec["traffic"] == {"blue": 100}


async def test_stale_revision_is_a_conflict(rig):
    """Who changes what has changed since is told so; the first one wins."""
    seen = (await rig.endpoint()).revision
    await rig.do("endpoint.update", EndpointPut(spec=EndpointSpec(name="iris"), revision=seen),
                 EndpointView)  # fmt: skip

    late = EndpointPut(spec=EndpointSpec(name="iris"), revision=seen)
    code, message = await rig.refused("endpoint.update", late)

    assert code == "conflict"
    assert f"you saw revision {seen}" in message


async def test_deployment_with_traffic_cannot_be_deleted(rig):
    """Live or mirrored traffic has to be taken away first."""
    await rig.endpoint()
    await rig.create(deployment("blue"))
    await rig.create(deployment("green"))
    await rig.route(traffic={"blue": 100}, mirror_traffic={"green": 10})

    live = await rig.refused("deployment.delete", {"endpoint": "iris", "name": "blue"})
    mirrored = await rig.refused("deployment.delete", {"endpoint": "iris", "name": "green"})

    assert live[0] == mirrored[0] == "conflict"
    assert "gets 100 % live traffic" in live[1]
    assert "gets 10 % mirrored traffic" in mirrored[1]


async def test_deleted_deployment_leaves_nothing(rig):
    """Records, state, generations and queue are gone, and the name is free again."""
    await rig.endpoint()
    await rig.create(deployment())
    await rig.settled()
    assert await stream_info(rig.bus, "WORK_iris_blue")

    await rig.ask("deployment.delete", {"endpoint": "iris", "name": "blue"})
    await rig.until(lambda view: view is None)

    bucket = await Bucket.open(rig.bus, subjects.CONFIG_BUCKET)
    assert await bucket.get(subjects.generation_key("iris", "blue", 1)) is None
    assert (await rig.create(deployment())).generation == 1


async def test_deletion_waits_for_the_queue(rig):
    """What is queued is left to the workers before they are drained."""
    await rig.endpoint()
    await rig.create(deployment())
    await rig.settled()
    await rig.bus.publish("mesh.work.iris.blue.interactive", b"{}")

    await rig.ask("deployment.delete", {"endpoint": "iris", "name": "blue"})
    view = await rig.until(lambda view: view.queue.get("interactive") == 1)
    waiting = view.provisioning_state, view.ready_instances
    await rig.bus.api("STREAM.PURGE.WORK_iris_blue")
    await rig.until(lambda view: view is None)

    assert waiting == ("Deleting", 1)


async def test_deleted_endpoint_takes_its_deployments_along(rig):
    """An endpoint goes with everything in it, traffic or not."""
    await rig.endpoint()
    await rig.create(deployment())
    await rig.settled()
    await rig.route(traffic={"blue": 100})
    seen = asyncio.Event()

    async def note(message):
        if b"Deleted" in message.data:
            seen.set()

    await rig.bus.subscribe(subjects.event("iris"), note)
    await rig.ask("endpoint.delete", {"name": "iris"})
    await asyncio.wait_for(seen.wait(), 8)

    assert (await rig.refused("endpoint.get", {"name": "iris"}))[0] == "not_found"
    assert await stream_info(rig.bus, "WORK_iris_blue") is None
    assert (await rig.refused("endpoint.credentials", {"name": "iris"}))[0] == "not_found"


async def test_all_traffic_comes_when_ready(rig):
    """A deployment created with all traffic has it when it has succeeded."""
    await rig.endpoint()
    await rig.create(deployment(), all_traffic=True)

    view = await rig.settled()

    assert (view.provisioning_state, view.traffic) == ("Succeeded", 100)


async def test_traffic_change_returns_when_gateways_act_on_it(rig):
    """The answer comes when the slowest live gateway has applied the change, not before."""
    gateway = FakeGateway(rig.bus)
    before = await rig.endpoint()
    await gateway.beat(before.revision)

    changing = asyncio.create_task(rig.route(description="x"))
    await rig.changed(before.revision)
    assert not changing.done()
    await gateway.beat(before.revision + 1)
    view = await changing

    assert view.warnings == []
    assert view.scoring_uri == "http://127.0.0.1:8080/endpoints/iris/score"


async def test_answer_names_the_gateway_that_lags(rig):
    """A gateway that lives and does not follow is named in the answer, after a bounded wait."""
    gateway = FakeGateway(rig.bus, "slow")
    before = await rig.endpoint()

    beating = asyncio.create_task(gateway.keep_beating(before.revision))
    await gateway.beat(before.revision)
    view = await rig.route(description="x")
    beating.cancel()

    assert view.warnings == [f"gateway slow has not applied revision {view.revision} within 5 s"]


async def test_gateway_that_is_gone_is_not_waited_for(rig):
    """A gateway that says it leaves does not hold up a change."""
    gateway = FakeGateway(rig.bus)
    before = await rig.endpoint()
    await gateway.beat(before.revision)
    await gateway.beat(before.revision, leaving=True)

    view = await rig.route(description="x")

    assert view.warnings == []


async def test_status_and_metrics_show_everything(rig):
    """One verb and one page for the whole mesh."""
    await rig.endpoint()
    await rig.create(deployment())
    await rig.settled()
    await rig.bus.publish("mesh.work.iris.blue.queued", b"{}")
    await rig.until(lambda view: view.queue.get("queued") == 1)

    status = await rig.do("status", {}, StatusView)
    text = await rig.metrics(
        'mesh_queue_depth{deployment="blue",endpoint="iris",lane="queued"} 1.0'
    )

    assert [view.name for view in status.deployments] == ["blue"]
    assert 'mesh_instances_wanted{deployment="blue",endpoint="iris"} 1.0' in text
    assert 'mesh_instance_starts_total{deployment="blue",endpoint="iris"} 1.0' in text
    assert 'mesh_instance_crashes_total{deployment="blue",endpoint="iris"} 0.0' in text
    assert "mesh_scaler_leading 1.0" in text
    assert 'mesh_management_requests_total{code="ok",verb="endpoint.create"} 1.0' in text


async def test_queue_settings_that_cannot_change_are_refused(rig):
    """The storage of a queue is chosen once."""
    await rig.endpoint()
    await rig.create(deployment())

    changed = deployment(mesh={"queue": {"storage": "memory"}})
    code, message = await rig.refused("deployment.update", DeploymentPut(spec=changed))

    assert code == "bad_spec"
    assert "mesh.queue.storage" in message


async def test_a_gpu_is_refused_where_there_is_none(rig):
    """At creation and at an update, by the key, with what keeps the mesh from having one."""
    await rig.endpoint()
    await rig.create(deployment())
    message = "mesh.device: cuda: no GPU on this machine (NVML: not here)"

    for verb, name in (("deployment.create", "green"), ("deployment.update", "blue")):
        put = DeploymentPut(spec=deployment(name, mesh={"device": "cuda"}))
        assert await rig.refused(verb, put) == ("bad_spec", message)


async def test_each_generation_keeps_its_device(rig):
    """An instance gets a GPU if its own generation asks for one."""
    await rig.stop()
    rig.gpus = Gpus(found=(Gpu(0, "GPU-a", "A100"),))
    await rig.start()
    await rig.endpoint()
    await rig.create(deployment(mesh={"device": "cuda"}))
    await rig.settled()
    before = [record.place.visible for record in Ledger(rig.state_dir).read()]

    await rig.update(deployment())
    await rig.until(lambda view: [i.generation for i in view.instances] == [2])

    assert before == ["GPU-a"]
    assert {r.generation: r.place.visible for r in Ledger(rig.state_dir).read()}[2] == ""


async def test_the_view_shows_the_gpu_of_an_instance(rig):
    """As its heartbeat told; nothing where there is none."""
    await rig.endpoint()
    await rig.create(deployment())
    before = await rig.settled()
    gpu = GpuFigures(uuid="GPU-a", name="A100", percent=3.0, memory_bytes=1, memory_total_bytes=2)
    said = WorkerHeartbeat(
        endpoint="iris", deployment="blue", instance="by-hand", generation=1, state="ready", gpu=gpu
    )

    await rig.bus.publish("mesh.heartbeat.worker.iris.blue.by-hand", wire.encode(said))
    after = await rig.until(lambda view: len(view.instances) == 2)

    assert [instance.gpu for instance in before.instances] == [None]
    assert {i.instance: i.gpu for i in after.instances}["by-hand"] == gpu
