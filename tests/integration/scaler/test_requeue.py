"""What a deleted deployment leaves in its queue is enqueued anew, as it was."""

import json

import pytest

from mesh import jobs, streams, subjects, wire
from mesh.bus import Bus
from mesh.records import JobRecord
from mesh.spec.options import QueueOptions
from scaler.requeue import requeue


@pytest.fixture
async def bus(nats_server):
    """A broker with one work queue, and nobody who works."""
    bus = await Bus.connect(nats_server().url, name="test")
    await streams.ensure_topology(bus)
    await streams.ensure_queue(bus, "iris", "blue", QueueOptions(), 5.0)
    yield bus
    await bus.close()


async def queue(bus, request_id="r1", lane="queued", **headers):
    """Queue a request as a gateway does."""
    said = {wire.TIMEOUT_MS: "60000"} | ({wire.REQUEST_ID: request_id} if request_id else {})
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    await streams.store(bus, subjects.work("iris", "blue", lane), b"body", said | given)


async def enqueued(bus, seq=1):
    """A message of the stream of enqueued requests."""
    return await streams.next_message(bus, subjects.INGRESS_STREAM, subjects.enqueue("iris"), seq)


@pytest.mark.parametrize("lane", ["queued", "background"])
async def test_queued_request_is_enqueued_anew(bus, lane):
    """Body, id, content type and the headers for the model go along; its time runs on."""
    http = json.dumps([["x-tag", "a"]])
    await queue(bus, lane=lane, Content_Type="text/plain", Mesh_Http=http)

    assert await requeue(bus, "iris", "blue") == 1

    moved = await enqueued(bus)
    assert (moved.body, moved.headers[wire.REQUEST_ID]) == (b"body", "r1")
    assert (moved.headers[wire.CONTENT_TYPE], moved.headers["x-tag"]) == ("text/plain", "a")
    assert 50_000 < int(moved.headers[wire.TIMEOUT_MS]) <= 60_000
    assert wire.MSG_ID not in moved.headers
    info = await streams.stream_info(bus, subjects.work_stream("iris", "blue"))
    assert info["state"]["messages"] == 0


async def test_moved_request_has_no_place(bus):
    """So that its next message is taken for it, whatever number that has."""
    await jobs.note(bus, "iris", "r1", JobRecord(deployment="blue", ingress_seq=7, timeout_s=60.0))
    await queue(bus)

    await requeue(bus, "iris", "blue")

    record = (await jobs.find(bus, "iris", "r1")).record
    assert (record.deployment, record.ingress_seq) == ("", 0)


async def test_moved_request_keeps_its_lane_and_who_is_told(bus):
    """Its end is told to whoever was to be told, and it is as urgent as it was."""
    await queue(bus, lane="background", Mesh_Webhook="http://127.0.0.1/hook")

    await requeue(bus, "iris", "blue")

    moved, record = await enqueued(bus), (await jobs.find(bus, "iris", "r1")).record
    assert (moved.headers[wire.WEBHOOK], record.webhook) == ("http://127.0.0.1/hook",) * 2
    assert (moved.headers[wire.PRIORITY], record.lane) == ("low", "background")


async def test_request_that_is_late_is_left_to_fail(bus):
    """A gateway gives it its failed result: it is enqueued with no time left."""
    await queue(bus, Mesh_Timeout_Ms="0")

    await requeue(bus, "iris", "blue")

    assert (await enqueued(bus)).headers[wire.TIMEOUT_MS] == "1"


async def test_callers_that_wait_are_not_moved(bus):
    """Interactive requests end by their deadline, and copies are worth nothing."""
    await queue(bus, lane="interactive")
    await queue(bus, lane="shadow")
    await queue(bus, request_id="")

    assert await requeue(bus, "iris", "blue") == 0

    assert await enqueued(bus) is None


async def test_queue_that_is_gone_leaves_nothing(bus):
    """Nor is it an error."""
    assert await requeue(bus, "iris", "green") == 0


async def test_moved_request_keeps_its_path(bus):
    """A model of Triton's is asked what it was to be asked."""
    await queue(bus, Mesh_Method="GET", Mesh_Path="/v2/models/a")

    await requeue(bus, "iris", "blue")

    headers = (await enqueued(bus)).headers
    assert (headers[wire.METHOD], headers[wire.PATH]) == ("GET", "/v2/models/a")
