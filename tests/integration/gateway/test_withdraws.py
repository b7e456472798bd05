"""`mesh.withdraw`: a producer cancels a queued request."""

import asyncio
import json

import pytest

from mesh import jobs, streams, subjects, wire


@pytest.fixture
def broker_url(server):
    """A server of its own: all gateways of a broker share one consumer."""
    return server.url


async def withdraw(mesh, producer, request_id, **headers):
    given = {"Mesh_Request_Id": request_id} | headers
    return await producer.request(subjects.withdraw(mesh.endpoint), b"", **given)


async def holds(mesh, number):
    """Wait until so many messages are in the queue."""
    stream = subjects.work_stream(mesh.endpoint, "blue")
    while (await streams.stream_info(mesh.bus, stream))["state"]["messages"] != number:
        pass


async def test_waiting_request_is_cancelled(mesh, producer):
    """It leaves the queue, and its result says so."""
    await producer.request(subjects.enqueue(mesh.endpoint), b"{}", Mesh_Request_Id="r1")
    await holds(mesh, 1)

    told = await withdraw(mesh, producer, "r1")

    assert (told.headers[wire.STATUS], told.headers[wire.REQUEST_ID]) == ("200", "r1")
    assert json.loads(told.body) == {"id": "r1", "state": "cancelled"}
    result = await jobs.find_result(mesh.bus, mesh.endpoint, "r1")
    assert (result.headers[wire.STATUS], result.headers[wire.ERROR]) == ("410", "cancelled")
    await holds(mesh, 0)


async def test_request_of_a_lane_is_cancelled_by_its_number(mesh, producer):
    """No gateway has seen it: the acknowledgement says where it is."""
    lane = subjects.work(mesh.endpoint, "blue", "background")
    ack = json.loads((await producer.request(lane, b"{}", Mesh_Request_Id="r1")).body)
    said = asyncio.Queue()
    await mesh.bus.subscribe(subjects.cancel(mesh.endpoint, "blue"), said.put)
    assert (await withdraw(mesh, producer, "r1")).headers[wire.STATUS] == "404"
    place = {"Mesh_Deployment": "blue", "Nats_Sequence": str(ack["seq"])}
    assert (await withdraw(mesh, producer, "r2", **place)).headers[wire.STATUS] == "404"

    told = await withdraw(mesh, producer, "r1", **place)

    assert told.headers[wire.STATUS] == "200"
    assert wire.decode((await said.get()).data, wire.Cancel).request_id == "r1"
    await holds(mesh, 0)


@pytest.mark.parametrize(
    ("request_id", "headers", "refused", "named"),
    [
        pytest.param("nope", {}, ("404", "not_found"), "no request 'nope'", id="unknown"),
        pytest.param("done", {}, ("409", "conflict"), "it is done", id="ended"),
        pytest.param("a.b", {}, ("400", "invalid_request"), "'a.b': expected 1-64", id="no id"),
        pytest.param(
            *("nope", {"Nats_Sequence": "1"}, ("400", "invalid_request"), "Mesh-Deployment: None"),
            id="number alone",
        ),
        pytest.param(
            *(
                "nope",
                {"Mesh_Deployment": "red"},
                ("400", "invalid_request"),
                "Nats-Sequence: None",
            ),
            id="deployment alone",
        ),
        pytest.param(
            *("nope", {"Mesh_Deployment": "red", "Nats_Sequence": "1"}, ("404", "not_found")),
            "is number 1 of deployment red",
            id="unknown deployment",
        ),
    ],
)
async def test_refusal_says_why(mesh, producer, request_id, headers, refused, named):
    """By the status and the code that it has over HTTP."""
    await jobs.keep_result(mesh.bus, mesh.endpoint, "done", b"{}", {wire.STATUS: "200"})

    told = await withdraw(mesh, producer, request_id, **headers)

    assert (told.headers[wire.STATUS], told.headers[wire.ERROR]) == refused
    assert named in told.body.decode()


async def test_without_a_reply_it_is_cancelled_all_the_same(mesh, producer):
    """Nobody is told, or nobody may be."""
    for number, reply in enumerate(("", "mesh.reply.iris.blue.g1.7")):
        given = {"Mesh_Request_Id": f"r{number}"}
        await producer.request(subjects.enqueue(mesh.endpoint), b"{}", **given)
        await holds(mesh, 1)

        producer.publish(subjects.withdraw(mesh.endpoint), b"", reply, **given)

        await holds(mesh, 0)
