"""`mesh.abandon`: a producer waits for its answer no longer."""

import asyncio

import pytest

from mesh import streams, subjects, wire
from tests.natssocket import NatsSocket

REPLY = "_INBOX.mine"


@pytest.fixture
async def producer(nats_url):
    """A producer that listens on a reply of its own."""
    producer = await NatsSocket.open(nats_url)
    producer.subscribe(REPLY)
    yield producer
    await producer.close()


async def is_in_flight(mesh, number):
    """Wait until so many requests are out; the broker's answers are the clock."""
    while mesh.gateway.in_flight != number:
        await mesh.bus.flush()


async def holds(mesh, number):
    """Wait until so many messages are in the queue."""
    stream = subjects.work_stream(mesh.endpoint, "blue")
    while (await streams.stream_info(mesh.bus, stream))["state"]["messages"] != number:
        pass


async def test_waiting_request_is_deleted(mesh, producer):
    """It leaves the queue unrun, and nothing stays behind in the gateway."""
    producer.publish(subjects.invoke(mesh.endpoint), b"{}", REPLY)
    await holds(mesh, 1)

    producer.publish(subjects.abandon(mesh.endpoint), REPLY.encode())

    await holds(mesh, 0)
    await is_in_flight(mesh, 0)
    assert (await mesh.gateway.close()) == 0


async def test_running_request_is_cancelled_and_not_answered(mesh, producer):
    """Its worker is told; a late answer is dropped; the record says that its client went."""
    said, batches = asyncio.Queue(), asyncio.Queue()
    await mesh.bus.subscribe(subjects.cancel(mesh.endpoint, "blue"), said.put)
    await mesh.bus.subscribe(subjects.traffic(mesh.endpoint), batches.put)
    worker = await mesh.work("blue", lambda message: None)
    producer.publish(subjects.invoke(mesh.endpoint), b"{}", REPLY)
    await worker.arrived.wait()

    producer.publish(subjects.abandon(mesh.endpoint), REPLY.encode())

    headers = worker.seen[0].headers
    cancel = wire.decode((await said.get()).data, wire.Cancel)
    assert cancel.request_id == headers[wire.REQUEST_ID]
    await mesh.bus.publish(headers[wire.REPLY], b"late", headers={wire.STATUS: "200"})
    record = wire.decode((await batches.get()).data, wire.AccessBatch).records[0]
    assert record.status == 499
    worker.answer = lambda message: (b"next", {wire.STATUS: "200"})
    producer.publish(subjects.invoke(mesh.endpoint), b"{}", REPLY)
    assert (await producer.next()).body == b"next"


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        pytest.param(None, b"_INBOX.others", id="another reply"),
        pytest.param("mesh.abandon.wine", REPLY.encode(), id="another endpoint"),
        pytest.param(None, b"\xff", id="garbage"),
    ],
)
async def test_other_requests_are_left_alone(mesh, producer, subject, body):
    """What is named is abandoned, by who may ask that endpoint, and nothing else."""
    producer.publish(subjects.invoke(mesh.endpoint), b"{}", REPLY)
    await holds(mesh, 1)

    producer.publish(subject or subjects.abandon(mesh.endpoint), body)
    await mesh.work("blue")

    assert (await producer.next()).body == b"{}"
