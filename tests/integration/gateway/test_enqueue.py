"""`mesh.enqueue`, from a client that writes the protocol's bytes onto a plain socket."""

import asyncio
import json

import pytest

from mesh import jobs, streams, subjects, wire

SOON_S = 4.0  # the acknowledgement wait is 10 s


@pytest.fixture
def broker_url(server):
    """A server of its own: all gateways of a broker share one consumer."""
    return server.url


def hold(message):
    """A worker that never answers."""


async def enqueue(mesh, producer, body=b"{}", endpoint=None, **headers):
    """Enqueue a request; return the stream's acknowledgement."""
    subject = subjects.enqueue(endpoint or mesh.endpoint)
    return json.loads((await producer.request(subject, body, **headers)).body)


async def arrival(worker, count=1):
    """Wait until so many messages have reached a lane's worker."""
    while len(worker.seen) < count:
        worker.arrived.clear()
        await worker.arrived.wait()
    return worker.seen[-1]


async def result_of(mesh, request_id, endpoint=None):
    """Wait for a request's result; the broker's answers are the clock."""
    name = endpoint or mesh.endpoint
    while (result := await jobs.find_result(mesh.bus, name, request_id)) is None:
        pass
    return result


async def settled(mesh):
    """Wait until nothing is left of what was enqueued."""
    while (await streams.stream_info(mesh.bus, "INGRESS"))["state"]["messages"]:
        pass


async def test_enqueued_request_reaches_the_queued_lane(mesh, producer):
    """With its content type, an id made of its number, the default time limit, and no TTL."""
    worker = await mesh.work("blue", hold, lane="queued")

    ack = await enqueue(mesh, producer, b'{"data": 1}', Content_Type="application/json")

    message = await arrival(worker)
    assert message.data == b'{"data": 1}'
    request_id = f"ingress-{ack['seq']}"
    assert message.headers[wire.REQUEST_ID] == message.headers[wire.MSG_ID] == request_id
    assert message.headers[wire.CONTENT_TYPE] == "application/json"
    assert 3_590_000 < int(message.headers[wire.TIMEOUT_MS]) <= 3_600_000
    assert {wire.MSG_TTL, wire.REPLY}.isdisjoint(message.headers)
    assert (await jobs.find(mesh.bus, mesh.endpoint, request_id)).record.deployment == "blue"
    await settled(mesh)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"Mesh_Request_Id": "mine"}, "mine", id="our header"),
        pytest.param({"Nats_Msg_Id": "theirs"}, "theirs", id="the broker's header"),
        pytest.param({"Mesh_Request_Id": "a.b", "Nats_Msg_Id": "ok"}, "ok", id="not an id"),
    ],
)
async def test_producer_may_choose_the_id(mesh, producer, headers, expected):
    """Its own header wins, then the broker's, if it is an id at all."""
    worker = await mesh.work("blue", hold, lane="queued")

    await enqueue(mesh, producer, **headers)

    assert (await arrival(worker)).headers[wire.REQUEST_ID] == expected


async def test_split_holds_for_enqueued_requests(mesh, producer):
    """90/10 is 90 and 10."""
    await mesh.deploy("green")
    await mesh.traffic(blue=90, green=10)
    blue = await mesh.work("blue", hold, lane="queued")
    green = await mesh.work("green", hold, lane="queued")

    for _ in range(100):
        await enqueue(mesh, producer)
    await settled(mesh)
    await arrival(blue, 90)
    await arrival(green, 10)

    assert (len(blue.seen), len(green.seen)) == (90, 10)


async def test_unknown_endpoint_is_a_failed_result(mesh, producer):
    """Who asks for the result learns what went wrong."""
    await enqueue(mesh, producer, endpoint="nobody", Mesh_Request_Id="r1")

    result = await result_of(mesh, "r1", "nobody")

    assert (result.headers[wire.STATUS], result.headers[wire.ERROR]) == ("404", "not_found")
    assert "nobody" in json.loads(result.data)["error"]["message"]
    await settled(mesh)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({"azureml_model_deployment": "red"}, "not_found", id="unknown deployment"),
        pytest.param({"Mesh_Timeout_Ms": "soon"}, "invalid_request", id="no number"),
        pytest.param({"Mesh_Timeout_Ms": "86400001"}, "invalid_request", id="more than a day"),
    ],
)
async def test_what_can_never_be_served_is_a_failed_result(mesh, producer, headers, code):
    """It is told at once, in the request's result."""
    await enqueue(mesh, producer, Mesh_Request_Id="r1", **headers)

    assert (await result_of(mesh, "r1")).headers[wire.ERROR] == code


async def test_body_that_is_too_large_is_a_failed_result(server, open_mesh, producer):
    """The limit is that of HTTP."""
    mesh = await open_mesh(server.url, max_request_bytes=100)
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)

    await enqueue(mesh, producer, b"x" * 101, Mesh_Request_Id="r1")

    assert (await result_of(mesh, "r1")).headers[wire.ERROR] == "too_large"


async def test_request_waits_until_a_deployment_has_traffic(mesh, producer):
    """It is accepted meanwhile, and loses nothing."""
    await mesh.traffic()
    await enqueue(mesh, producer, Mesh_Request_Id="r1")
    while await jobs.find(mesh.bus, mesh.endpoint, "r1") is None:
        pass
    worker = await mesh.work("blue", hold, lane="queued")

    await mesh.traffic(blue=100)

    assert (await arrival(worker)).headers[wire.REQUEST_ID] == "r1"


async def test_request_waits_while_the_lane_is_full(mesh, producer):
    """A full lane refuses it until there is room again."""
    await mesh.deploy("small", max_messages=1)
    await mesh.traffic(small=100)
    await enqueue(mesh, producer, Mesh_Request_Id="r1")
    await enqueue(mesh, producer, Mesh_Request_Id="r2")
    while await jobs.find(mesh.bus, mesh.endpoint, "r2") is None:
        pass

    worker = await mesh.work("small", lane="queued")

    await arrival(worker, 2)
    assert {one.headers[wire.REQUEST_ID] for one in worker.seen} == {"r1", "r2"}


async def test_request_that_finds_no_place_in_time_fails(mesh, producer):
    """Its own time limit ends the waiting."""
    await mesh.traffic()

    await enqueue(mesh, producer, Mesh_Request_Id="r1", Mesh_Timeout_Ms="300")

    result = await result_of(mesh, "r1")
    assert (result.headers[wire.STATUS], result.headers[wire.ERROR]) == ("408", "deadline_exceeded")


async def test_one_id_is_one_request(mesh, producer):
    """A second one with the id of the first is taken for it, and not run."""
    worker = await mesh.work("blue", lane="queued")
    await enqueue(mesh, producer, b"first", Mesh_Request_Id="r1")
    await arrival(worker)

    await enqueue(mesh, producer, b"second", Mesh_Request_Id="r1")
    await settled(mesh)
    await enqueue(mesh, producer, b"third", Mesh_Request_Id="r2")
    await arrival(worker, 2)

    assert [message.data for message in worker.seen] == [b"first", b"third"]


async def test_redelivered_request_goes_where_it_went(mesh, producer):
    """A gateway that ended between lane and acknowledgement makes no second request of it."""
    await mesh.deploy("green")
    await mesh.gateway.close()
    ack = await enqueue(mesh, producer, Mesh_Request_Id="r1")
    record = jobs.JobRecord(deployment="green", ingress_seq=ack["seq"], timeout_s=3600.0)
    await jobs.note(mesh.bus, mesh.endpoint, "r1", record)
    lane = subjects.work(mesh.endpoint, "green", "queued")
    await streams.store(mesh.bus, lane, b"{}", {wire.MSG_ID: "r1", wire.REQUEST_ID: "r1"})

    await mesh.another_gateway()
    await settled(mesh)

    info = await streams.stream_info(mesh.bus, subjects.work_stream(mesh.endpoint, "green"))
    assert info["state"]["messages"] == 1
    info = await streams.stream_info(mesh.bus, subjects.work_stream(mesh.endpoint, "blue"))
    assert info["state"]["messages"] == 0


async def test_enqueued_requests_survive_the_broker(server, mesh, producer):
    """What it has acknowledged is still there after it was killed, and waits for no time limit."""
    await mesh.traffic()
    await enqueue(mesh, producer, Mesh_Request_Id="r1")

    back = asyncio.Event()

    async def note():
        back.set()

    mesh.bus.on_reconnect(note)
    server.kill()
    server.start()
    await back.wait()
    back_s = asyncio.get_running_loop().time()
    await mesh.traffic(blue=100)
    worker = await mesh.work("blue", hold, lane="queued")

    assert (await arrival(worker)).headers[wire.REQUEST_ID] == "r1"
    assert asyncio.get_running_loop().time() - back_s < SOON_S


async def test_time_to_live_is_refused(mesh, producer):
    """The broker would drop the request without a word: it says so instead."""
    ack = await enqueue(mesh, producer, Nats_TTL="5s")

    assert "TTL" in ack["error"]["description"]


async def test_submission_over_http_is_queued(mesh):
    """202 with the place of its result, once it is queued; 200 there when it is done."""
    client = await mesh.client()
    key = {"authorization": "Bearer secret"}

    answer = await mesh.score(b'{"data": 1}', prefer="respond-async")

    assert answer.status == 202
    request_id = answer.headers["x-request-id"]
    place = answer.headers["location"]
    assert place == f"/endpoints/{mesh.endpoint}/requests/{request_id}"
    assert (await client.ask("GET", place, **key)).status == 202
    headers = {wire.STATUS: "200", wire.CONTENT_TYPE: "text/plain", wire.DEPLOYMENT: "blue"}
    await jobs.keep_result(mesh.bus, mesh.endpoint, request_id, b"done", headers)
    found = await client.ask("GET", place, **key)
    assert (found.status, found.body) == (200, b"done")
    assert found.headers["azureml-model-deployment"] == "blue"
    assert found.headers["content-type"].startswith("text/plain")


async def test_submission_to_a_full_lane_is_429(mesh):
    """Nothing is accepted that is not queued."""
    await mesh.deploy("small", max_messages=1)
    await mesh.traffic(small=100)

    answers = [await mesh.score(prefer="respond-async") for _ in range(2)]

    assert [answer.status for answer in answers] == [202, 429]


async def test_error_of_a_queued_model_is_424(mesh):
    """As the answer to a synchronous request would be."""
    client = await mesh.client()
    headers = {wire.STATUS: "424", wire.ERROR: "model_error", wire.MODEL_STATUS: "418"}
    await jobs.keep_result(mesh.bus, mesh.endpoint, "r1", b"teapot", headers)

    path = f"/endpoints/{mesh.endpoint}/requests/r1"
    found = await client.ask("GET", path, authorization="Bearer secret")

    assert (found.status, found.body) == (424, b"teapot")
    assert found.headers["ms-azureml-model-error-statuscode"] == "418"


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        pytest.param("/endpoints/{}/requests/nope", "secret", 404, id="unknown request"),
        pytest.param("/endpoints/{}/requests/a.b", "secret", 404, id="no id"),
        pytest.param("/endpoints/nobody/requests/r1", "secret", 404, id="unknown endpoint"),
        pytest.param("/endpoints/{}/requests/r1", "wrong", 401, id="wrong key"),
    ],
)
async def test_results_are_for_those_who_may_know(mesh, path, key, status):
    """404 for what is not known, 401 without a key."""
    client = await mesh.client()

    answer = await client.ask("GET", path.format(mesh.endpoint), authorization=f"Bearer {key}")

    assert answer.status == status


async def test_request_that_nobody_ran_in_time_is_408(mesh):
    """Long after its time limit, without a result, it counts as failed."""
    await jobs.note(mesh.bus, mesh.endpoint, "r1", jobs.JobRecord(timeout_s=-1000.0))
    client = await mesh.client()

    path = f"/endpoints/{mesh.endpoint}/requests/r1"
    answer = await client.ask("GET", path, authorization="Bearer secret")

    assert answer.status == 408


async def test_request_of_a_deleted_deployment_finds_another(mesh, producer):
    """What was taken out of a queue comes back under its id, and is run elsewhere."""
    record = jobs.JobRecord(timeout_s=60.0)
    await jobs.note(mesh.bus, mesh.endpoint, "r1", record)
    worker = await mesh.work("blue", hold, lane="queued")

    await enqueue(mesh, producer, Mesh_Request_Id="r1")

    assert (await arrival(worker)).headers[wire.REQUEST_ID] == "r1"
    assert (await jobs.find(mesh.bus, mesh.endpoint, "r1")).record.deployment == "blue"


async def test_path_that_the_deployment_does_not_serve_is_a_failed_result(mesh, producer):
    """As over HTTP: blue is no Triton model."""
    await enqueue(mesh, producer, **{wire.REQUEST_ID: "p1", wire.PATH: "/v2/models/a/infer"})

    assert (await result_of(mesh, "p1")).headers[wire.STATUS] == "404"
