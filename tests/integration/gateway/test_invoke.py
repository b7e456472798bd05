"""`mesh.invoke`, from a client that writes the protocol's bytes onto a plain socket."""

import asyncio
import json

import pytest

from mesh import streams, subjects, wire
from tests.integration.gateway.test_mirror import counted
from tests.stub import echo


def code_of(told):
    return json.loads(told.body)["error"]["code"]


async def test_invocation_without_headers_is_answered(mesh, producer):
    """A plain PUB with a reply subject is enough."""
    worker = await mesh.work("blue")

    told = await producer.request(subjects.invoke(mesh.endpoint), b'{"data": 1}')

    assert told.body == b'{"data": 1}'
    assert told.headers[wire.STATUS] == "200"
    assert told.headers[wire.DEPLOYMENT] == "blue"
    assert told.headers[wire.CONTENT_TYPE] == "application/json"
    assert told.headers[wire.TIMING] == "0.5,1.25,1"
    assert told.headers[wire.REQUEST_ID] == worker.seen[0].headers[wire.REQUEST_ID]
    assert wire.ERROR not in told.headers


async def test_split_and_mirror_hold_for_invocations(mesh, producer):
    """90/10 is 90 and 10, and of every second request the mirror gets a copy."""
    for name in ("green", "red"):
        await mesh.deploy(name)
    await mesh.traffic(blue=90, green=10, mirror={"red": 50})
    blue, green = await mesh.work("blue"), await mesh.work("green")

    for _ in range(100):
        await producer.request(subjects.invoke(mesh.endpoint), b"{}")

    assert (len(blue.seen), len(green.seen)) == (90, 10)
    assert await counted(mesh, 50, "red") == {"copied": 50}


async def test_headers_mean_what_they_mean_over_http(mesh, producer):
    """A named deployment, a content type and headers for the model get there."""
    await mesh.deploy("green", read_headers=True)
    green = await mesh.work("green")
    headers = {"azureml_model_deployment": "green", "Content_Type": "text/plain", "X_Tag": "a"}

    told = await producer.request(subjects.invoke(mesh.endpoint), b"hi", **headers)

    assert told.headers[wire.DEPLOYMENT] == "green"
    seen = green.seen[0].headers
    assert seen[wire.CONTENT_TYPE] == "text/plain"
    assert dict(json.loads(seen[wire.HTTP]))["x-tag"] == "a"


async def test_sticky_invocations_stay(mesh, producer):
    """Requests with one routing key all reach one deployment."""
    await mesh.deploy("green")
    await mesh.traffic(blue=50, green=50)
    blue, green = await mesh.work("blue"), await mesh.work("green")

    for _ in range(10):
        await producer.request(subjects.invoke(mesh.endpoint), b"{}", mesh_routing_key="user-1")

    assert sorted((len(blue.seen), len(green.seen))) == [0, 10]


@pytest.mark.parametrize(
    ("endpoint", "headers"),
    [
        pytest.param("nobody", {}, id="unknown endpoint"),
        pytest.param(None, {"azureml_model_deployment": "red"}, id="unknown deployment"),
    ],
)
async def test_unknown_places_are_not_found(mesh, producer, endpoint, headers):
    """The error is in the headers, and in the body as over HTTP."""
    told = await producer.request(subjects.invoke(endpoint or mesh.endpoint), b"{}", **headers)

    assert (told.headers[wire.STATUS], told.headers[wire.ERROR]) == ("404", "not_found")
    assert code_of(told) == "not_found"


@pytest.mark.parametrize("name", ["Mesh_Timeout_Ms", "x_ms_request_timeout_ms"])
async def test_deadline_is_the_producers_wish(mesh, producer, name):
    """408 when it passes before anybody has answered."""
    told = await producer.request(subjects.invoke(mesh.endpoint), b"{}", **{name: "50"})

    assert (told.headers[wire.STATUS], told.headers[wire.ERROR]) == ("408", "deadline_exceeded")


async def test_full_queue_says_when_to_ask_again(mesh, producer):
    """429 as over HTTP, with its `Retry-After`."""
    await mesh.deploy("small", max_messages=1)
    await mesh.traffic(small=100)
    producer.publish(subjects.invoke(mesh.endpoint), b"{}", "_INBOX.first")

    told = await producer.request(subjects.invoke(mesh.endpoint), b"{}")

    assert (told.headers[wire.STATUS], told.headers[wire.ERROR]) == ("429", "queue_full")
    assert int(told.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("headers", "refused", "named"),
    [
        pytest.param({"Mesh_Method": "PUT"}, ("400", "invalid_request"), "'PUT'", id="method"),
        pytest.param({"Mesh_Path": "/metrics"}, ("404", "not_found"), "/metrics", id="path"),
        pytest.param(
            {"azureml_model_deployment": "red"}, ("404", "not_found"), "deployment", id="deployment"
        ),
    ],
)
async def test_refusal_says_why(mesh, producer, headers, refused, named):
    """By status, code and a message that names what is wrong."""
    told = await producer.request(subjects.invoke(mesh.endpoint), b"{}", **headers)

    assert (told.headers[wire.STATUS], told.headers[wire.ERROR]) == refused
    assert named in told.body.decode()


async def test_failed_deployment_says_when_to_ask_again(mesh, producer):
    """503 at once."""
    depth = wire.Depth(endpoint=mesh.endpoint, deployment="blue", lanes={}, failed="broken")
    await mesh.bus.publish(subjects.depth(mesh.endpoint, "blue"), wire.encode(depth))
    while not mesh.gateway._routes.by_name[mesh.endpoint].targets["blue"].failed:
        await mesh.bus.flush()

    told = await producer.request(subjects.invoke(mesh.endpoint), b"{}")

    assert (told.headers[wire.STATUS], told.headers[wire.ERROR]) == ("503", "no_worker")
    assert int(told.headers["Retry-After"]) >= 1


async def test_error_of_the_model_is_424(mesh, producer):
    """The model's own status is in a header, its body unchanged."""
    headers = {wire.STATUS: "418", wire.ERROR: "model_error", wire.CONTENT_TYPE: "text/plain"}
    await mesh.work("blue", lambda message: (b"teapot", headers))

    told = await producer.request(subjects.invoke(mesh.endpoint), b"{}")

    assert told.body == b"teapot"
    assert (told.headers[wire.STATUS], told.headers[wire.ERROR]) == ("424", "model_error")
    assert told.headers[wire.MODEL_STATUS] == "418"


async def test_missing_queue_is_503(mesh, producer):
    """What cannot be queued is refused at once."""
    await streams.delete_stream(mesh.bus, subjects.work_stream(mesh.endpoint, "blue"))

    told = await producer.request(subjects.invoke(mesh.endpoint), b"{}")

    assert (told.headers[wire.STATUS], told.headers[wire.ERROR]) == ("503", "bus")


async def test_body_may_not_be_too_large(nats_url, open_mesh, producer):
    """The limit is that of HTTP."""
    mesh = await open_mesh(nats_url, max_request_bytes=100)
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)

    told = await producer.request(subjects.invoke(mesh.endpoint), b"x" * 101)

    assert (told.headers[wire.STATUS], told.headers[wire.ERROR]) == ("413", "too_large")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        pytest.param("", "no_reply", id="nobody to answer"),
        pytest.param("mesh.work.other.blue.interactive", "bad_reply", id="the mesh's own subject"),
        pytest.param("$JS.API.STREAM.NAMES", "bad_reply", id="the broker's own subject"),
    ],
)
async def test_invocation_that_cannot_be_answered_is_dropped_andcounted(
    mesh, producer, reply, reason
):
    """It is not run: a gateway lends nobody its rights, and runs nothing for nobody."""
    worker = await mesh.work("blue")
    producer.publish(subjects.invoke(mesh.endpoint), b"lost", reply)

    await producer.request(subjects.invoke(mesh.endpoint), b"served")

    assert [message.data for message in worker.seen] == [b"served"]
    text = (await (await mesh.client()).ask("GET", "/metrics")).body.decode()
    assert f'mesh_gateway_invocations_dropped_total{{reason="{reason}"}} 1.0' in text


async def test_invocations_arecounted_and_recorded(mesh, producer):
    """Metrics and access records are those of HTTP requests."""
    await mesh.work("blue")
    batches = asyncio.Queue()
    await mesh.bus.subscribe(subjects.traffic(mesh.endpoint), batches.put)
    await mesh.bus.flush()

    await producer.request(subjects.invoke(mesh.endpoint), b"{}", x_ms_client_request_id="c-1")

    text = (await (await mesh.client()).ask("GET", "/metrics")).body.decode()
    labels = f'{{deployment="blue",endpoint="{mesh.endpoint}",status="200"}}'

    assert f"mesh_gateway_requests_total{labels} 1.0" in text
    record = wire.decode((await batches.get()).data, wire.AccessBatch).records[0]
    assert (record.status, record.user_agent) == (200, "nats")
    assert record.client_request_id == "c-1"


async def test_a_leaving_gateway_answers_what_it_has_begun(mesh, producer):
    """It takes no more, and waits for the answers of what it took."""
    reply = "_INBOX.mine"
    producer.subscribe(reply)
    producer.publish(subjects.invoke(mesh.endpoint), b"begun", reply)
    while not mesh.gateway.in_flight:
        await mesh.bus.flush()
    worker = await mesh.work("blue", lambda message: None)
    await worker.arrived.wait()

    closing = asyncio.create_task(mesh.gateway.close())
    body, headers = echo(worker.seen[0])
    await mesh.bus.publish(worker.seen[0].headers[wire.REPLY], body, headers=headers)

    assert (await producer.next()).body == b"begun"
    assert await closing == 0
