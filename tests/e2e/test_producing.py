"""Direct producers of a real mesh: over a plain socket, and with nats-py alone."""

import json
import signal

import nats
import pytest

from mesh.process import Identity
from tests.natssocket import NatsSocket


@pytest.fixture
def mesh(person):
    """A mesh that serves the echo model, and a producer's user for it."""
    person.up()
    person.deploy()
    done = person.mesh("nats", "user", "create", "-e", "echo", "-o", "json")
    assert done.returncode == 0, done.stderr
    person.producer = json.loads(done.stdout)
    return person


@pytest.fixture
async def wire(mesh):
    """The producer's connection over a plain socket."""
    who = mesh.producer
    client = await NatsSocket.open(who["url"], who["name"], who["password"], who["inbox_prefix"])
    yield client
    await client.close()


@pytest.fixture
async def client(mesh):
    """The producer's connection with nats-py, and nothing of the mesh's."""
    who = mesh.producer
    client = await nats.connect(
        who["url"],
        user=who["name"],
        password=who["password"],
        inbox_prefix=who["inbox_prefix"].encode(),
    )
    yield client
    await client.close()


async def result_with_nats_py(client, request_id, endpoint="echo"):
    """Wait for a result as the docs say: listen, look, and wait for what comes."""
    subject = f"mesh.result.{endpoint}.{request_id}"
    told = await client.subscribe(subject)
    await client.flush()
    found = await client.request(f"$JS.API.DIRECT.GET.RESULTS.{subject}")
    if (found.headers or {}).get("Status") == "404":
        found = await told.next_msg(timeout=30)
    await told.unsubscribe()
    return found


async def test_a_plain_socket_invokes_and_enqueues(wire):
    """PUB, HPUB, MSG and HMSG by hand are all it takes."""
    told = await wire.request("mesh.invoke.echo", b'"hi"')
    assert (told.headers["Mesh-Status"], told.body) == ("200", b'"hi"')

    ack = json.loads((await wire.request("mesh.enqueue.echo", b'"later"')).body)
    subject = f"mesh.result.echo.ingress-{ack['seq']}"
    wire.subscribe(subject)
    found = await wire.request(f"$JS.API.DIRECT.GET.RESULTS.{subject}", b"")
    if found.headers.get("Status") == "404":
        found = await wire.next()

    assert (found.headers["Mesh-Status"], found.body) == ("200", b'"later"')


async def test_nats_py_alone_invokes_and_enqueues(client):
    """Request, publish with an id of one's own, and read the result."""
    told = await client.request("mesh.invoke.echo", b'"hi"', timeout=30)
    assert (told.headers["Mesh-Status"], told.data) == ("200", b'"hi"')

    acked = await client.request(
        "mesh.enqueue.echo", b'"later"', headers={"Mesh-Request-Id": "mine", "Nats-Msg-Id": "mine"}
    )
    assert json.loads(acked.data)["stream"] == "INGRESS"
    found = await result_with_nats_py(client, "mine")

    assert (found.headers["Mesh-Status"], found.data) == ("200", b'"later"')


async def test_a_deployment_is_asked_without_a_gateway(mesh):
    """Its user fills a lane by hand; the lane acknowledges, the result is kept."""
    done = mesh.mesh("nats", "user", "create", "-d", "echo/blue", "-o", "json")
    assert done.returncode == 0, done.stderr
    who = json.loads(done.stdout)
    wire = await NatsSocket.open(who["url"], who["name"], who["password"], who["inbox_prefix"])

    results = {"good": {}, "bad": {"Mesh_Path": "/metrics"}}
    for request_id, headers in results.items():
        subject = f"mesh.result.echo.{request_id}"
        wire.subscribe(subject)
        given = {"Mesh_Request_Id": request_id} | headers
        ack = await wire.request("mesh.work.echo.blue.queued", b'"direct"', **given)
        assert json.loads(ack.body)["stream"] == "WORK_echo_blue"
        results[request_id] = await wire.next()
    await wire.close()

    assert (results["good"].headers["Mesh-Status"], results["good"].body) == ("200", b'"direct"')
    assert (results["bad"].headers["Mesh-Status"], results["bad"].headers["Mesh-Error"]) == (
        *("400", "invalid_request"),
    )
    assert "Mesh-Path: '/metrics': expected /score" in results["bad"].body.decode()


async def test_errors_are_in_the_headers(client):
    """The model's own, and ours, over both ways."""
    told = await client.request("mesh.invoke.echo", b"not json", timeout=30)
    assert (told.headers["Mesh-Status"], told.headers["Mesh-Error"]) == ("424", "model_error")

    headers = {"Mesh-Request-Id": "bad"}
    await client.request("mesh.enqueue.echo", b"not json", headers=headers)
    found = await result_with_nats_py(client, "bad")

    assert (found.headers["Mesh-Status"], found.headers["Mesh-Error"]) == ("424", "model_error")
    assert found.headers["Mesh-Model-Status"] == told.headers["Mesh-Model-Status"]


@pytest.mark.heavy
@pytest.mark.parametrize("program", ["gateway", "nats-server"])
async def test_a_killed_program_loses_nothing_that_was_enqueued(mesh, program):
    """Every request that was acknowledged has a result, though the gateway or broker is killed."""
    who = mesh.producer
    options = {
        "user": who["name"],
        "password": who["password"],
        "inbox_prefix": who["inbox_prefix"].encode(),
    }
    client = await nats.connect(who["url"], reconnect_time_wait=0.1, **options)
    acked = []
    for number in range(300):
        headers = {"Mesh-Request-Id": f"r{number}"}
        try:
            await client.request("mesh.enqueue.echo", b"%d" % number, headers=headers, timeout=2)
        except (nats.errors.Error, TimeoutError):
            continue
        acked.append(number)
        if number == 150:
            victim = next(one for one in mesh.state.mesh().programs if one.name == program)
            Identity(pid=victim.pid, create_time=victim.create_time).send(signal.SIGKILL)

    for number in acked:
        found = await result_with_nats_py(client, f"r{number}")
        assert found.data == b"%d" % number
    assert len(acked) > 150
    await client.close()


async def test_a_producers_user_comes_and_goes_without_a_restart(mesh):
    """Unknown endpoints are refused; a deleted user is out at once; others stay connected."""
    broker = next(one for one in mesh.state.mesh().programs if one.name == "nats-server")
    unknown = mesh.mesh("nats", "user", "create", "-e", "nobody")
    assert (unknown.returncode, "nobody" in unknown.stderr) == (4, True)
    for place, code in (("echo/green", 4), ("echo", 2)):
        refused = mesh.mesh("nats", "user", "create", "-d", place)
        assert (refused.returncode, place.rpartition("/")[2] in refused.stderr) == (code, True)
    nothing = mesh.mesh("nats", "user", "create")
    assert (nothing.returncode, "--endpoint or --deployment" in nothing.stderr) == (2, True)

    listed = json.loads(mesh.mesh("nats", "user", "list", "-o", "json").stdout)
    assert listed == [{"name": mesh.producer["name"], "endpoints": ["echo"], "deployments": []}]

    done = mesh.mesh("nats", "user", "delete", "-n", mesh.producer["name"], "--yes")
    assert done.returncode == 0, done.stderr
    who = mesh.producer
    with pytest.raises(PermissionError):
        await NatsSocket.open(who["url"], who["name"], who["password"])
    assert mesh.ask() == '"hi"'
    assert broker in mesh.state.mesh().programs
