import pytest

from mesh import streams, subjects, wire
from tests.stub import echo


@pytest.fixture
async def mirrored(mesh):
    """Blue is live, half of its requests are copied to green; blue works."""
    await mesh.deploy("green", max_messages=20)
    await mesh.traffic(blue=100, mirror={"green": 50})
    await mesh.work("blue")
    return mesh


async def _counts(mesh, mirror="green"):
    """The copies' outcomes from the gateway's own metrics."""
    client = await mesh.client()
    text = (await client.ask("GET", "/metrics")).body.decode()
    labels = f'deployment="{mirror}",endpoint="{mesh.endpoint}"'
    prefix = f"mesh_gateway_mirrored_total{{{labels},outcome="
    lines = [line.removeprefix(prefix) for line in text.splitlines() if line.startswith(prefix)]
    return {line.split('"')[1]: int(float(line.split()[-1])) for line in lines}


async def counted(mesh, total, mirror="green"):
    """Wait until so many copies are accounted for."""
    while sum((counts := await _counts(mesh, mirror)).values()) < total:
        pass
    return counts


async def test_copies_reach_the_mirror(mirrored):
    """Every second request is copied, says of what it is a copy, and asks for no answer."""
    green = await mirrored.work("green", lane="shadow")

    answers = [await mirrored.score(b"%d" % number) for number in range(10)]
    assert await counted(mirrored, 5) == {"copied": 5}

    while len(green.seen) < 5:
        await green.arrived.wait()
    live = {answer.headers["x-request-id"]: answer.body for answer in answers}
    for copy in green.seen:
        assert live[copy.headers[wire.SHADOW_OF]] == copy.data
        assert wire.REPLY not in copy.headers
        assert copy.headers[wire.MSG_TTL] == "60s"


async def test_mirror_without_workers_costs_nothing(mirrored):
    """Clients get their answers though nobody takes the copies."""
    answers = [await mirrored.score() for _ in range(10)]

    assert {answer.status for answer in answers} == {200}
    assert await counted(mirrored, 5) == {"copied": 5}


async def test_full_mirror_is_counted_and_not_felt(mirrored):
    """A full shadow lane refuses copies; clients do not notice."""
    answers = [await mirrored.score() for _ in range(50)]

    assert {answer.status for answer in answers} == {200}
    assert await counted(mirrored, 25) == {"copied": 20, "refused": 5}


async def test_mirror_without_a_queue_is_counted_and_not_felt(mirrored):
    """Even a mirror whose stream is gone changes nothing for clients."""
    await streams.delete_stream(mirrored.bus, subjects.work_stream(mirrored.endpoint, "green"))

    answers = [await mirrored.score() for _ in range(4)]

    assert {answer.status for answer in answers} == {200}
    assert await counted(mirrored, 2) == {"refused": 2}


async def test_named_request_is_not_copied(mirrored):
    """Who names a deployment is testing it: nothing is mirrored."""
    for _ in range(4):
        await mirrored.score(azureml_model_deployment="blue")

    assert await _counts(mirrored) == {}


async def test_refused_request_is_not_copied(mirrored):
    """A request that was never queued has no copy."""
    await streams.delete_stream(mirrored.bus, subjects.work_stream(mirrored.endpoint, "blue"))

    answers = [await mirrored.score() for _ in range(4)]

    assert {answer.status for answer in answers} == {503}
    assert await _counts(mirrored) == {}


async def test_slow_request_is_copied_when_it_is_queued(mesh):
    """The copy does not wait for the live answer."""
    await mesh.deploy("green")
    await mesh.traffic(blue=100, mirror={"green": 50})
    green = await mesh.work("green", lane="shadow")
    clients = [await mesh.client() for _ in range(2)]

    for client in clients:
        client.request("POST", mesh.path, b"slow", authorization="Bearer secret")
    await green.arrived.wait()
    await mesh.work("blue", echo)

    assert [(await client.answer()).status for client in clients] == [200, 200]
