"""The client SDK, over NATS and over HTTP: the same calls, the same answers, the same errors."""

import asyncio
import json

import pytest

from mesh import Client, jobs, streams, subjects, wire
from mesh.embedded.broker import new_users
from mesh.embedded.folder import StateFolder
from mesh.embedded.permissions import authorization
from mesh.embedded.producers import add_producer, read_producers
from mesh.errors import (
    BackendError,
    BusError,
    DeadlineExceededError,
    ForbiddenError,
    NotFinishedError,
    NotFoundError,
    QueueFullError,
    SpecError,
    UnauthorizedError,
)


@pytest.fixture
def broker_url(server):
    """A server of its own: all gateways of a broker share one consumer."""
    return server.url


@pytest.fixture(params=["nats", "http"])
async def client(request, server, mesh):
    """A client, over either way."""
    urls = {"nats": (server.url, ""), "http": (mesh.gateway.url, "secret")}
    url, key = urls[request.param]
    async with await Client.connect(url, key=key) as client:
        yield client


async def finish(mesh, request_id, body=b'"done"', **headers):
    """Do what a worker does with a queued request."""
    said = {wire.STATUS: "200", wire.CONTENT_TYPE: "application/json", wire.DEPLOYMENT: "blue"}
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    await jobs.keep_result(mesh.bus, mesh.endpoint, request_id, body, said | given)


async def test_invoke_answers(mesh, client):
    """Data goes as JSON, the answer has everything there is to know."""
    await mesh.work("blue")

    answer = await client.invoke(mesh.endpoint, {"data": 1})

    assert (answer.status, answer.json()) == (200, {"data": 1})
    assert (answer.deployment, answer.content_type) == ("blue", "application/json")
    assert answer.request_id


async def test_bytes_are_sent_as_they_are(mesh, client):
    """With the content type that is given."""
    worker = await mesh.work("blue")

    answer = await client.invoke(mesh.endpoint, b"\x00\x01", headers={"Content-Type": "x/y"})

    assert answer.body == b"\x00\x01"
    assert worker.seen[0].headers[wire.CONTENT_TYPE] == "x/y"


async def test_deployment_may_be_named(mesh, client):
    """Whatever the split."""
    await mesh.deploy("green")
    await mesh.work("green")

    assert (await client.invoke(mesh.endpoint, 1, deployment="green")).deployment == "green"


async def test_error_of_the_model_is_raised_with_what_it_said(mesh, client):
    """Its body and its own status are there."""
    headers = {wire.STATUS: "418", wire.ERROR: "model_error", wire.CONTENT_TYPE: "text/plain"}
    await mesh.work("blue", lambda message: (b"teapot", headers))

    with pytest.raises(BackendError, match="teapot") as caught:
        await client.invoke(mesh.endpoint, 1)

    assert caught.value.body == b"teapot"
    assert caught.value.context["answer"].model_status == 418


async def test_deadline_is_raised(mesh, client):
    """The caller's own, which the mesh keeps to."""
    with pytest.raises(DeadlineExceededError):
        await client.invoke(mesh.endpoint, 1, timeout_s=0.1)


async def test_unknown_places_are_raised(mesh, client):
    """An endpoint or a deployment that is not there."""
    with pytest.raises(NotFoundError):
        await client.invoke("nobody", 1)
    with pytest.raises(NotFoundError):
        await client.invoke(mesh.endpoint, 1, deployment="red")


async def test_full_queue_is_raised(mesh, client):
    """So that the caller can wait."""
    await mesh.deploy("small", max_messages=1)
    await mesh.traffic(small=100)
    first = asyncio.create_task(client.invoke(mesh.endpoint, 1))
    stream = subjects.work_stream(mesh.endpoint, "small")
    while not (await streams.stream_info(mesh.bus, stream))["state"]["messages"]:
        pass

    with pytest.raises(QueueFullError):
        await client.invoke(mesh.endpoint, 2)

    await mesh.work("small")
    await first


async def test_submitted_request_has_a_result(mesh, client):
    """Its id is there once it is safe; its result when it is done."""
    worker = await mesh.work("blue", lambda message: None, lane="queued")
    job = await client.submit(mesh.endpoint, {"data": 1}, timeout_s=60)
    request_id = job.id
    await worker.arrived.wait()
    assert worker.seen[0].headers[wire.REQUEST_ID] == request_id
    assert worker.seen[0].data == b'{"data":1}'
    assert int(worker.seen[0].headers[wire.TIMEOUT_MS]) <= 60_000

    with pytest.raises(NotFinishedError):
        await client.result(mesh.endpoint, request_id)
    await finish(mesh, request_id)

    answer = await client.result(mesh.endpoint, request_id)
    assert (answer.status, answer.json(), answer.request_id) == (200, "done", request_id)
    assert answer.deployment == "blue"


async def test_result_may_be_waited_for(mesh, client):
    """Whoever waits has it when it is there."""
    worker = await mesh.work("blue", lambda message: None, lane="queued")
    request_id = (await client.submit(mesh.endpoint, 1)).id
    await worker.arrived.wait()
    waiting = asyncio.create_task(client.result(mesh.endpoint, request_id, wait_s=8))
    await mesh.bus.flush()

    await finish(mesh, request_id)

    assert (await waiting).json() == "done"


async def test_failed_result_is_raised(mesh, client):
    """As the error it would have been."""
    await finish(mesh, "r1", b"teapot", Mesh_Status="424", Mesh_Error="model_error",
                 Mesh_Model_Status="418")  # fmt: skip

    with pytest.raises(BackendError) as caught:
        await client.result(mesh.endpoint, "r1")

    assert caught.value.body == b"teapot"


async def test_unknown_request_is_raised(mesh, client):
    """It is not the same as one that is not finished."""
    with pytest.raises(NotFoundError):
        await client.result(mesh.endpoint, "nope")


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client: client.invoke("no.name", 1), id="endpoint"),
        pytest.param(lambda client: client.invoke("iris", object()), id="data"),
        pytest.param(lambda client: client.invoke("iris", 1, timeout_s=0), id="timeout"),
        pytest.param(lambda client: client.invoke("iris", 1, timeout_s=float("nan")), id="nan"),
        pytest.param(lambda client: client.invoke("iris", 1, timeout_s=float("inf")), id="inf"),
        pytest.param(lambda client: client.invoke("iris", 1, headers={"a b": "c"}), id="header"),
        pytest.param(lambda client: client.invoke("iris", 1, headers={"a": 1}), id="value"),
        pytest.param(lambda client: client.result("iris", "a.b"), id="request id"),
    ],
)
async def test_what_cannot_be_sent_is_refused(client, call):
    """Before anything is sent."""
    with pytest.raises(ValueError, match=r"expected|JSON"):
        await call(client)


async def test_wrong_key_is_raised(mesh):
    """Over HTTP."""
    async with await Client.connect(mesh.gateway.url, key="wrong") as client:
        with pytest.raises(UnauthorizedError):
            await client.invoke(mesh.endpoint, 1)


async def test_mesh_without_a_gateway_is_raised(server):
    """At once, over NATS; a gateway that is not there is none over HTTP either."""
    async with await Client.connect(server.url) as client:
        with pytest.raises(BusError, match="no gateway"):
            await client.invoke("iris", 1)
    async with await Client.connect("http://127.0.0.1:1", key="k") as client:
        with pytest.raises(BusError):
            await client.invoke("iris", 1)


@pytest.mark.parametrize(
    ("url", "access"),
    [
        pytest.param("http://127.0.0.1:1", {}, id="no key"),
        pytest.param("nats://127.0.0.1:1", {"key": "k"}, id="a key over NATS"),
        pytest.param("http://127.0.0.1:1", {"key": "a\nb"}, id="a key of two lines"),
        pytest.param("http://", {"key": "k"}, id="no host"),
    ],
)
async def test_what_does_not_go_together_is_refused(url, access):
    """Keys are for HTTP, and needed there."""
    with pytest.raises(SpecError):
        await Client.connect(url, **access)


async def test_what_a_user_may_not_do_is_raised_at_once(nats_server, tmp_path):
    """The broker's refusal is an error, and no long wait for an answer that cannot come."""
    folder = StateFolder(tmp_path)
    who = add_producer(folder, ["iris"])
    users = authorization(new_users(), read_producers(folder))
    server = nats_server(config=json.dumps({"authorization": users}))

    access = who.access(server.url)
    async with await Client.connect(
        access.url, user=access.user, password=access.password
    ) as client:
        for call in (client.invoke, client.submit):
            with pytest.raises(ForbiddenError):
                await call("other", 1)
        with pytest.raises(ForbiddenError):
            await client.result("other", "r1")
