"""What a lane itself tells a producer that puts requests there, over a plain socket."""

import json

import pytest

from mesh import streams, subjects, wire
from mesh.bus import Bus
from mesh.spec.options import QueueOptions
from tests.natssocket import NatsSocket

LANE = subjects.work("iris", "blue", "queued")


@pytest.fixture
async def producer(server):
    """A producer beside a deployment with room for one message in each lane."""
    bus = await Bus.connect(server.url, name="test")
    await streams.ensure_topology(bus)
    await streams.ensure_queue(bus, "iris", "blue", QueueOptions(max_messages=1), 5.0)
    producer = await NatsSocket.open(server.url)
    yield producer
    await producer.close()
    await bus.close()


def headers(request_id):
    return {name.replace("-", "_"): request_id for name in (wire.REQUEST_ID, wire.MSG_ID)}


async def test_lane_acknowledges_what_is_safe(producer):
    """With its stream and the number there."""
    ack = json.loads((await producer.request(LANE, b"{}", **headers("r1"))).body)

    assert ack == {"stream": "WORK_iris_blue", "seq": 1}


async def test_second_of_an_id_is_told_apart(producer):
    """It is acknowledged, and not queued again."""
    await producer.request(LANE, b"{}", **headers("r1"))

    ack = json.loads((await producer.request(LANE, b"{}", **headers("r1"))).body)

    assert (ack["seq"], ack["duplicate"]) == (1, True)


async def test_full_lane_says_so(producer):
    """Nothing is queued, and the code is the one of the docs."""
    await producer.request(LANE, b"{}", **headers("r1"))

    ack = json.loads((await producer.request(LANE, b"{}", **headers("r2"))).body)

    assert (ack["error"]["code"], ack["error"]["err_code"]) == (503, 10077)


async def test_deployment_that_does_not_exist_has_no_responders(producer):
    """The broker says so at once."""
    told = await producer.request(subjects.work("iris", "green", "queued"), b"{}")

    assert told.headers["Status"] == "503"
