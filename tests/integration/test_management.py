"""The management SDK against a service over a real broker."""

import asyncio
import re
import sys
from pathlib import Path

import msgspec
import pytest

from mesh.api import EndpointView, Nothing
from mesh.errors import (
    BusError,
    BusTimeoutError,
    ConflictError,
    DeadlineExceededError,
    NotFoundError,
    ProtocolError,
)
from mesh.management import Management
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.endpoint import EndpointSpec
from mesh.verbs import Verbs
from tests.fake_management import FakeManagement

ROOT = Path(__file__).parents[2]
IRIS = EndpointSpec(name="iris")
BLUE = DeploymentSpec(name="blue", endpoint_name="iris")


@pytest.fixture
def mesh(bus) -> Management:
    """The SDK."""
    return Management(bus)


async def test_a_service_that_restarts_is_waited_for(bus, mesh):
    """While nobody takes verbs a call waits; it was not taken, so it is safe to send again."""
    call = asyncio.create_task(mesh.list_endpoints())
    await asyncio.wait({call}, timeout=0.1)
    service = await FakeManagement(bus).start()

    assert await call == []
    assert service.asked == ["endpoint.list"]
    await service.close()


async def test_a_service_that_stays_away_is_said(bus):
    """After a while the call fails, and says which broker has no service."""
    with pytest.raises(BusError, match=r"service of the mesh at 127\.0\.0\.1:\d+ is away"):
        await Verbs(bus, timeout_s=1, away_s=0).call("status", Nothing(), EndpointView)


async def test_a_silent_service_leaves_the_outcome_open(bus):
    """A verb without an answer may still be carried out: it is not sent twice."""
    taken = []

    async def take(message):
        taken.append(message)

    await bus.subscribe("mesh.api.>", take)

    with pytest.raises(BusTimeoutError, match=r"no answer to status within 0\.1 s; it may still"):
        await Verbs(bus, timeout_s=0.1).call("status", Nothing(), EndpointView)
    assert len(taken) == 1


async def test_an_answer_of_another_version_is_said(bus):
    """What cannot be decoded is a protocol error that names the verb and the field."""

    async def answer(message):
        await bus.publish(message.reply, b'{"result": {"name": 1}}')

    await bus.subscribe("mesh.api.>", answer)

    with pytest.raises(ProtocolError, match=r"endpoint\.get is not understood: .*name"):
        await Verbs(bus, timeout_s=1).call("endpoint.get", Nothing(), EndpointView)


async def test_errors_have_the_same_class_on_both_sides(mesh, service):
    """The class is the one that the service raised, with its message."""
    with pytest.raises(NotFoundError, match="endpoint 'nope' does not exist"):
        await mesh.get_endpoint("nope")


async def test_update_notices_a_change_in_between(mesh, service):
    """A revision that is not the newest any more is a conflict."""
    old = await mesh.create_endpoint(IRIS)
    await mesh.update_endpoint(IRIS, revision=old.revision)

    with pytest.raises(ConflictError):
        await mesh.update_endpoint(IRIS, revision=old.revision)


async def test_watch_sees_each_state(mesh, service):
    """A watch that was open before the change sees how it goes, and its end."""
    await mesh.create_endpoint(IRIS)
    service.outcomes = [[("Succeeded", "")]]
    seen = []

    async with mesh.watch("iris", "blue") as watch:
        created = await mesh.create_deployment(BLUE)
        settled = await watch.settled(created.generation, on_view=seen.append)

    assert settled.provisioning_state == "Succeeded"
    assert seen[-1] == settled


async def test_watch_does_not_take_an_older_generation_for_the_end(mesh, service):
    """A state of the generation before settles nothing."""
    await mesh.create_endpoint(IRIS)
    service.outcomes = [[("Succeeded", "")]]

    async with mesh.watch("iris", "blue") as watch:
        created = await mesh.create_deployment(BLUE)
        with pytest.raises(DeadlineExceededError, match="it goes on"):
            await watch.settled(created.generation + 1, timeout_s=0.2)


async def test_watch_says_when_it_is_deleted_meanwhile(mesh, service):
    """Nobody waits for ever for what is gone."""
    async with mesh.watch("iris", "blue") as watch:
        with pytest.raises(NotFoundError, match="deleted meanwhile"):
            await watch.settled()


@pytest.mark.timeout(30)
async def test_watch_goes_on_through_a_restart_of_the_service(mesh, service):
    """While the service is away a watch keeps looking."""
    await mesh.create_endpoint(IRIS)
    service.outcomes = [[]]
    async with mesh.watch("iris", "blue") as watch:
        created = await mesh.create_deployment(BLUE)
        waiting = asyncio.create_task(watch.settled(created.generation))
        await service.close()
        await service.start()
        service.deployments["iris", "blue"] = msgspec.structs.replace(
            created, provisioning_state="Failed"
        )

        assert (await waiting).provisioning_state == "Failed"


@pytest.mark.timeout(30)
async def test_the_program_of_the_page_runs(bus, service, tmp_path):
    """docs/management.md shows a program that works as it stands."""
    page = (ROOT / "docs" / "management.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "score.py").write_text("def init(): ...\ndef run(data): return data\n")
    (tmp_path / "endpoint.yml").write_text("{name: iris, auth_mode: key}")
    (tmp_path / "blue.yml").write_text(
        "name: blue\nendpoint_name: iris\ninstance_count: 1\n"
        "code_configuration: {code: ., scoring_script: score.py}\n"
    )

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        cwd=tmp_path,
        env={"NATS_URL": f"nats://{bus.url}", "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()

    assert process.returncode == 0
    assert told.decode().startswith("Succeeded")
