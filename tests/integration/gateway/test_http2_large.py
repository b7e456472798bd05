"""Large bodies over HTTP/2: into the broker and out of it, at the pace of who takes them."""

import os

import pytest
from h2.errors import ErrorCodes

from mesh import bodies, claims, streams, subjects, wire
from tests.integration.gateway.conftest import KEY
from tests.integration.gateway.test_large import MIB, TTL_S, claim_in, named
from tests.rawhttp2 import Client2

AUTHORIZED = ("authorization", f"Bearer {KEY}")


@pytest.fixture
async def client(mesh):
    """A client with prior knowledge."""
    client = await Client2.open(mesh.port)
    yield client
    await client.close()


async def send_all(client, number, body, *, ends=True):
    """Send a body as far as the windows allow, until all is sent."""
    left = memoryview(body)
    while left:
        await client.until(lambda: client.conn.local_flow_control_window(number) > 0)
        room = client.conn.local_flow_control_window(number)
        client.send(number, bytes(left[:room]), ends=ends and room >= len(left))
        left = left[room:]


async def test_large_request_is_a_claim(mesh, client):
    """Two at once over one connection; each body is what came."""
    large = [os.urandom(3 * MIB + 7), os.urandom(4 * MIB)]
    worker = await mesh.work("blue")
    for body in large:
        await send_all(client, client.begin(mesh.path, AUTHORIZED), body)

    answers = [await client.answer(number) for number in (1, 3)]

    found = [await bodies.read(mesh.bus, claim_in(message)) for message in worker.seen]
    assert [answer.status for answer in answers] == [200, 200]
    assert sorted(found) == sorted(large)


async def test_large_answer_is_streamed_at_the_clients_pace(mesh, client):
    """Its length is known from the start; one that is not read holds up nobody else."""
    body = os.urandom(5 * MIB + 1)
    claim = await bodies.write(mesh.bus, "answer-h2", body, TTL_S, lambda: None)
    await mesh.work("blue", named(claim))
    client.takes = False
    number = client.request(mesh.path, b"{}", AUTHORIZED)
    await client.until(lambda: client.bodies[number])
    health = client.begin("/healthz", ends=True, method="GET")
    await client.until(lambda: health in client.heads)

    client.takes = True
    client.conn.increment_flow_control_window(len(body), number)
    client.conn.increment_flow_control_window(len(body))
    client.flush()
    answer = await client.answer(number)

    assert answer.headers["content-length"] == str(len(body))
    assert answer.body == body


async def test_answer_that_breaks_off_resets_its_stream_alone(mesh, client):
    """A chunk is missing: what was sent is not to be taken for the whole."""
    claim = await bodies.write(mesh.bus, "answer-torn", os.urandom(3 * MIB), TTL_S, lambda: None)
    last = subjects.body(claim.id, claim.chunks - 1)
    message = await streams.last_message(mesh.bus, subjects.BODIES_STREAM, last)
    seq = int(message.headers["Nats-Sequence"])
    await streams.delete_message(mesh.bus, subjects.BODIES_STREAM, seq)
    await mesh.work("blue", named(claim))

    number = client.request(mesh.path, b"{}", AUTHORIZED)
    await client.until(lambda: number in client.resets)

    assert client.resets[number] == ErrorCodes.INTERNAL_ERROR
    health = client.begin("/healthz", ends=True, method="GET")
    assert (await client.answer(health)).status == 200


async def test_upload_that_its_client_takes_back_is_given_up(mesh, client):
    """Nothing is queued, and the connection's room is given back."""
    worker = await mesh.work("blue")
    for _ in range(4):
        number = client.begin(mesh.path, AUTHORIZED, ("content-length", str(8 * MIB)))
        await send_all(client, number, bytes(3 * MIB), ends=False)
        client.reset(number)

    body = os.urandom(3 * MIB)
    number = client.begin(mesh.path, AUTHORIZED)
    await send_all(client, number, body)

    assert (await client.answer(number)).status == 200
    assert len(worker.seen) == 1
    assert claims.parse(worker.seen[0].headers[wire.BODY]).size_bytes == len(body)
