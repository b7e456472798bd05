"""Scoring over HTTP/2: the same requests, the same way through the gateway."""

import asyncio

import httpx
import pytest

from mesh import streams, subjects, wire
from tests.integration.gateway.conftest import KEY
from tests.rawhttp2 import Client2

AUTHORIZED = ("authorization", f"Bearer {KEY}")


@pytest.fixture
async def client(mesh):
    """A client with prior knowledge."""
    client = await Client2.open(mesh.port)
    yield client
    await client.close()


async def holds(mesh, messages):
    """Wait until the queue holds so many messages; the broker's answers are the clock."""
    stream = subjects.work_stream(mesh.endpoint, "blue")
    while (await streams.stream_info(mesh.bus, stream))["state"]["messages"] != messages:
        pass


async def test_requests_of_one_connection_are_answered_each(mesh):
    """A hundred at once, through the queue and a worker."""
    await mesh.work("blue")
    headers = dict([AUTHORIZED])
    async with httpx.AsyncClient(http1=False, http2=True, headers=headers) as client:
        url = f"{mesh.gateway.url}{mesh.path}"
        answers = await asyncio.gather(
            *(client.post(url, content=b"%d" % number) for number in range(100))
        )

    assert [answer.content for answer in answers] == [b"%d" % number for number in range(100)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["azureml-model-deployment"] for answer in answers} == {"blue"}


async def test_wrong_key_is_refused(mesh, client):
    """As over HTTP/1.1, and the connection goes on."""
    await mesh.work("blue")

    refused = await client.ask(mesh.path, b"{}", ("authorization", "Bearer no"))
    answered = await client.ask(mesh.path, b"{}", AUTHORIZED)

    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert answered.status == 200


@pytest.mark.parametrize("leaves", ["reset", "disconnect"])
async def test_queued_request_of_a_client_that_has_left_is_deleted(mesh, client, leaves):
    """Nobody works yet: what waits is taken out of the queue."""
    number = client.request(mesh.path, b"{}", AUTHORIZED)
    await holds(mesh, 1)

    client.reset(number) if leaves == "reset" else await client.close()

    await holds(mesh, 0)


async def test_running_request_of_a_client_that_has_left_is_cancelled(mesh, client):
    """Its workers are told by its id."""
    cancels = asyncio.Queue()
    await mesh.bus.subscribe(subjects.cancel(mesh.endpoint, "blue"), cancels.put)
    worker = await mesh.work("blue", lambda message: None)
    number = client.request(mesh.path, b"{}", AUTHORIZED)
    await worker.arrived.wait()

    client.reset(number)

    cancel = wire.decode((await cancels.get()).data, wire.Cancel)
    assert cancel.request_id == worker.seen[0].headers[wire.REQUEST_ID]


async def test_what_is_no_scoring_request_is_served_too(mesh, client):
    """Health, metrics, refusals: the ASGI application."""
    health = await client.answer(client.begin("/healthz", ends=True, method="GET"))
    metrics = await client.answer(client.begin("/metrics", ends=True, method="GET"))
    nothing = await client.answer(client.begin("/nothing", ends=True, method="GET"))

    assert (health.status, health.body) == (200, b"ok\n")
    assert b"mesh_gateway" in metrics.body
    assert nothing.status == 404


async def test_request_is_queued_and_its_result_asked_for(mesh, client):
    """`Prefer: respond-async` and the place it names, over one connection."""
    accepted = await client.ask(mesh.path, b"{}", AUTHORIZED, ("prefer", "respond-async"))

    place = accepted.headers["location"]
    asked = await client.answer(client.begin(place, AUTHORIZED, ends=True, method="GET"))

    assert (accepted.status, asked.status) == (202, 202)


async def test_deadline_is_told_on_its_stream(mesh, client):
    """408 for the one that was in a hurry."""
    hurry = ("x-ms-request-timeout-ms", "50")

    assert (await client.ask(mesh.path, b"{}", AUTHORIZED, hurry)).status == 408
