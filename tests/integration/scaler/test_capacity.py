"""What deployments may have: types, room, quota, price, as the management service tells it."""

import pytest
from msgspec.structs import replace

from mesh import subjects
from mesh.api import DeploymentPut, DeploymentView, StatusView
from mesh.capacity_api import InstanceTypeView
from mesh.gpus import Gpu, Gpus
from mesh.quotas import QuotaRow
from mesh.settings import FamilyQuota, QuotaSettings
from mesh.spec.deployment import ScaleSettings
from tests.integration.scaler.conftest import Rig, deployment

F4S = "standardFSv2Family"
GPU_TYPES = """
half: {cores: 0.1, memory_gib: 0.1, gpus: 0.5}
quarter: {cores: 0.1, memory_gib: 0.1, gpus: 0.25}
"""


async def again(rig: Rig, *, quota=None, **scaler) -> None:
    """Start the scaler anew with other settings."""
    await rig.stop()
    own = replace(rig.settings.scaler, **scaler)
    rig.settings = replace(rig.settings, scaler=own, quota=quota or QuotaSettings())
    await rig.start()
    await rig.endpoint()


def cores(**families) -> QuotaSettings:
    """A quota of so many cores by family, nothing borrowed."""
    return QuotaSettings(families={name: FamilyQuota(cores=n) for name, n in families.items()})


async def refused(rig: Rig, spec) -> tuple[str, str]:
    return await rig.refused("deployment.create", DeploymentPut(spec=spec))


async def test_an_unknown_type_is_refused(rig):
    """With those that are near."""
    await rig.endpoint()

    code, message = await refused(rig, replace(deployment(), instance_type="Standard_F4_v2"))

    assert code == "bad_spec"
    assert message.startswith("instance_type: 'Standard_F4_v2': no such type; did you mean ")
    assert "Standard_F4s_v2" in message


async def test_ones_own_type_can_be_used(rig, tmp_path):
    """It is in the list too, with its price."""
    (tmp_path / "own.yaml").write_text("box: {cores: 0.5, memory_gib: 1, price_per_hour: 0.25}")
    await again(rig, instance_types=str(tmp_path / "own.yaml"))

    await rig.create(replace(deployment(), instance_type="box", instance_count=2))
    view = await rig.settled()
    found = await rig.do("instance_type.list", {}, list[InstanceTypeView])

    assert (view.limits, view.price_per_hour) == ("0.5 cores, 1.0 GiB", 0.5)
    assert {one.name: one.price_per_hour for one in found}["box"] == 0.25
    assert await rig.metrics(
        'mesh_deployment_price_per_hour{deployment="blue",endpoint="iris"} 0.5'
    )


async def test_a_type_larger_than_the_machine_is_warned_of(rig):
    """A file for a cloud's machine runs on a small one, and how it is held is said."""
    await rig.endpoint()

    view = await rig.create(replace(deployment(), instance_type="Standard_F72s_v2"))
    status = await rig.do("status", {}, StatusView)

    assert "72 cores, this machine has" in view.warnings[0]
    assert (await rig.settled()).provisioning_state == "Succeeded"
    assert "memory" in status.limits or "cgroup" in status.limits


async def test_a_strict_machine_refuses_what_it_does_not_have(rig):
    """When the deployment is created, not when its instances start."""
    await again(rig, limits="strict")

    code, message = await refused(rig, replace(deployment(), instance_type="Standard_F72s_v2"))

    assert code == "bad_spec"
    assert message.startswith("instance_type: 'Standard_F72s_v2': 72 cores, this machine has")


@pytest.mark.timeout(30)  # the back-off after a start that found no room
async def test_who_finds_no_room_waits_for_it(rig, tmp_path):
    """The reason is visible; when somebody leaves, the instance starts."""
    rig.gpus = Gpus(found=(Gpu(0, "GPU-a", "A100"),))
    (tmp_path / "own.yaml").write_text(GPU_TYPES)
    await again(rig, limits="strict", instance_types=str(tmp_path / "own.yaml"))
    await rig.create(replace(deployment(), instance_type="half"))
    await rig.settled()
    await rig.create(replace(deployment("green"), instance_type="quarter", instance_count=3))

    waiting = await rig.until(lambda view: view.ready_instances == 2 and view.reason, "green")
    await rig.ask("deployment.delete", {"endpoint": "iris", "name": "blue"})
    settled = await rig.settled("green")

    assert "no room: it needs 0.25 GPU, GPU 0 has 0% free" in waiting.reason
    assert waiting.provisioning_state == "Creating"
    assert (settled.provisioning_state, settled.ready_instances) == ("Succeeded", 3)


@pytest.mark.parametrize("verb", ["create", "update", "scale"])
async def test_quota_is_required(rig, verb):
    """Needed and available are told, whichever way the instances were asked for."""
    await again(rig, quota=cores(**{F4S: 16}))
    first = deployment(instance_count=1)
    if verb != "create":
        await rig.create(first)

    more = replace(first, instance_count=4)
    request = {
        "create": DeploymentPut(spec=more),
        "update": DeploymentPut(spec=more),
        "scale": {"endpoint": "iris", "name": "blue", "instance_count": 4},
    }[verb]
    code, message = await rig.refused(f"deployment.{verb}", request)

    assert code == "out_of_quota"
    assert message.startswith(
        "OutOfQuota: deployment 'blue' needs 20 cores of family standardFSv2Family "
        "(4 instances of 4, a fifth more for updates), 16 are available"
    )


async def test_quota_is_free_again_when_a_deployment_goes(rig):
    """Others wait for nothing but that."""
    await again(rig, quota=cores(**{F4S: 8}))
    await rig.create(deployment())
    [before] = await rig.do("quota.list", {}, list[QuotaRow])

    code, _ = await refused(rig, deployment("green"))
    await rig.ask("deployment.delete", {"endpoint": "iris", "name": "blue"})
    await rig.create(deployment("green"))

    assert (before.family, before.cores, before.used, before.available) == (F4S, 8, 8, 0)
    assert code == "out_of_quota"


async def test_a_change_that_needs_no_more_is_let_be(rig):
    """Even if the quota was lowered since."""
    await again(rig, quota=cores(**{F4S: 16}))
    await rig.create(deployment(instance_count=2))
    await rig.stop()
    rig.settings = replace(rig.settings, quota=cores(**{F4S: 4}))
    await rig.start()

    fewer = {"endpoint": "iris", "name": "blue", "instance_count": 1}
    view = await rig.do("deployment.scale", fewer, DeploymentView)

    assert view.instance_count == 1


async def test_the_load_gets_no_more_than_the_quota(rig):
    """The count is capped, and the reason says by what."""
    await again(rig, quota=cores(**{F4S: 12}))
    scale = ScaleSettings(type="target_utilization", max_instances=9)
    await rig.create(deployment(scale_settings=scale))
    await rig.settled()

    for _ in range(8):
        await rig.bus.publish(subjects.work("iris", "blue", "interactive"), b"{}")
    view = await rig.until(lambda view: view.instance_count > 1)

    assert view.instance_count == 2
    assert view.scaling.reason.endswith("the quota of standardFSv2Family allows 2")


async def test_a_quota_that_is_used_up_is_told_before_it_is_needed(rig):
    """Whoever looks why the load gets no more sees it, whether it asks or not."""
    await again(rig, quota=cores(**{F4S: 16}))
    await rig.create(deployment("green"))
    scale = ScaleSettings(type="target_utilization", max_instances=9)

    view = await rig.create(deployment(scale_settings=scale))

    assert view.scaling.reason == "the quota of standardFSv2Family allows 1"


async def test_the_price_is_told_from_zero(rig):
    """A deployment whose type has none costs nothing."""
    await rig.endpoint()
    await rig.create(replace(deployment(), instance_type=None))

    line = 'mesh_deployment_price_per_hour{deployment="blue",endpoint="iris"} 0.0'

    assert line in await rig.metrics(line)
