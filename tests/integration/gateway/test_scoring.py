import asyncio
import json

import pytest

from mesh import streams, subjects, wire
from tests.stub import echo


async def test_request_is_answered_by_a_worker(mesh):
    """Body and content type go to the worker and its answer comes back."""
    worker = await mesh.work("blue")

    answer = await mesh.score(b'{"data": 1}', content_type="application/json")

    assert (answer.status, answer.body) == (200, b'{"data": 1}')
    assert answer.headers["azureml-model-deployment"] == "blue"
    headers = worker.seen[0].headers
    assert headers[wire.REQUEST_ID] == answer.headers["x-request-id"]
    assert headers[wire.CONTENT_TYPE] == "application/json"


async def test_request_waits_for_a_worker(mesh):
    """A request that comes before any worker is answered when one comes."""
    client = await mesh.client()
    client.request("POST", mesh.path, b"early", authorization="Bearer secret")

    await mesh.work("blue")

    assert (await client.answer()).body == b"early"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
async def test_request_without_a_key_is_refused(mesh, headers):
    """Keys are required by default."""
    client = await mesh.client()

    answer = await client.ask("POST", mesh.path, b"{}", **headers)

    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert json.loads(answer.body)["error"]["code"] == "unauthorized"
    assert "x-request-id" in answer.headers


async def test_ids_are_ours_and_theirs(mesh):
    """A caller cannot choose the request id; its own id comes back cut to 40 characters."""
    await mesh.work("blue")

    answer = await mesh.score(x_request_id="mine", x_ms_client_request_id="c" * 50)

    assert answer.headers["x-request-id"] != "mine"
    assert answer.headers["x-ms-client-request-id"] == "c" * 40


async def test_named_deployment_is_reached_without_traffic(mesh):
    """The deployment header wins over the split."""
    await mesh.deploy("green")
    green = await mesh.work("green")

    answer = await mesh.score(azureml_model_deployment="green")

    assert answer.headers["azureml-model-deployment"] == "green"
    assert len(green.seen) == 1


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param("/endpoints/nobody/score", {}, id="unknown endpoint"),
        pytest.param(None, {"azureml_model_deployment": "red"}, id="unknown deployment"),
        pytest.param("/else", {}, id="unknown path"),
    ],
)
async def test_unknown_places_are_not_found(mesh, path, headers):
    """404 is JSON and says what was not found."""
    client = await mesh.client()

    answer = await client.ask(
        "POST", path or mesh.path, b"{}", authorization="Bearer secret", **headers
    )

    assert answer.status == 404
    assert json.loads(answer.body)["error"]["code"] == "not_found"


async def test_endpoint_without_traffic_is_not_found(mesh):
    """With all weights at zero a request that names no deployment is 404."""
    await mesh.traffic()

    assert (await mesh.score()).status == 404


async def test_other_methods_are_not_allowed(mesh):
    """405 for what is neither GET nor POST, and the methods that would do."""
    answer = await mesh.score(method="PUT")

    assert answer.status == 405
    assert sorted(answer.headers["allow"].split(", ")) == ["GET", "OPTIONS", "POST"]


async def test_query_and_method_reach_the_model(mesh):
    """A GET with a query is scored too."""
    worker = await mesh.work("blue")
    mesh.path += "?verbose=1"

    assert (await mesh.score(b"", method="GET")).status == 200

    headers = worker.seen[0].headers
    assert (headers[wire.METHOD], headers[wire.PATH]) == ("GET", "/score?verbose=1")


async def test_endpoint_has_a_host_of_its_own(nats_url, open_mesh):
    """With a domain, `http://<endpoint>.<domain>/score` is the same as the path."""
    mesh = await open_mesh(nats_url, domain="mesh.example")
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)
    await mesh.work("blue")
    client = await mesh.client()

    client.send(
        f"POST /score HTTP/1.1\r\nhost: {mesh.endpoint}.mesh.example\r\n"
        "authorization: Bearer secret\r\ncontent-length: 2\r\n\r\nhi".encode()
    )

    assert (await client.answer()).body == b"hi"


async def test_error_of_the_model_is_424(mesh):
    """The model's own status and words come in headers, its body unchanged."""
    headers = {wire.STATUS: "418", wire.ERROR: "model_error", wire.CONTENT_TYPE: "text/plain"}
    await mesh.work("blue", lambda message: (b"teapot", headers))

    answer = await mesh.score()

    assert (answer.status, answer.body) == (424, b"teapot")
    assert answer.headers["ms-azureml-model-error-statuscode"] == "418"


async def test_deadline_is_408(mesh):
    """A caller may shorten the deadline; when it passes the answer is 408, the connection lives."""
    client = await mesh.client()
    headers = {"authorization": "Bearer secret", "x-ms-request-timeout-ms": "50"}

    answer = await client.ask("POST", mesh.path, b"slow", **headers)
    await mesh.work("blue", lambda message: None if message.data == b"slow" else echo(message))

    assert answer.status == 408
    assert (await client.ask("POST", mesh.path, b"ok", authorization="Bearer secret")).status == 200


async def test_full_lane_is_429(mesh):
    """What a deployment's queue does not take is refused at once, with a word on when to retry."""
    await mesh.deploy("small", max_messages=1)
    await mesh.traffic(small=100)
    client = await mesh.client()
    client.request("POST", mesh.path, b"first", authorization="Bearer secret")
    await _queued(mesh, "small")

    answer = await mesh.score()

    assert (answer.status, answer.headers["retry-after"]) == (429, "1")


async def _queued(mesh, deployment, messages=1):
    """Wait until the queue holds so many messages; the broker's answers are the clock."""
    stream = subjects.work_stream(mesh.endpoint, deployment)
    while (await streams.stream_info(mesh.bus, stream))["state"]["messages"] != messages:
        pass


async def test_missing_queue_is_503(mesh):
    """A deployment whose queue is not there cannot be served, and says so at once."""
    await streams.delete_stream(mesh.bus, subjects.work_stream(mesh.endpoint, "blue"))

    answer = await mesh.score()

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_failed_deployment_is_503_at_once(mesh):
    """Nobody waits for a deployment that has failed and has no instance."""
    depth = wire.Depth(endpoint=mesh.endpoint, deployment="blue", lanes={}, failed="init() raised")
    await mesh.bus.publish(subjects.depth(mesh.endpoint, "blue"), wire.encode(depth))
    await mesh.bus.flush()

    answer = await mesh.score(x_ms_request_timeout_ms="3000")

    assert answer.status == 503
    assert "init() raised" in json.loads(answer.body)["error"]["message"]


async def test_headers_reach_those_who_read_them(mesh):
    """A deployment that asks for it gets the caller's headers, without credentials."""
    await mesh.deploy("reader", read_headers=True)
    await mesh.traffic(reader=100)
    worker = await mesh.work("reader")

    await mesh.score(x_tag="a")

    pairs = dict(json.loads(worker.seen[0].headers[wire.HTTP]))
    assert pairs["x-tag"] == "a"
    assert "authorization" not in pairs


async def test_client_that_leaves_is_forgotten(mesh):
    """Its request is deleted where it waits, cancelled where it runs, and in nobody's table."""
    cancelled = asyncio.Queue()
    await mesh.bus.subscribe(subjects.cancel(mesh.endpoint, "blue"), cancelled.put)
    client = await mesh.client()
    client.request("POST", mesh.path, b"x", authorization="Bearer secret")
    await _queued(mesh, "blue")

    await client.close()

    said = wire.decode((await cancelled.get()).data, wire.Cancel)
    assert said.request_id
    await _queued(mesh, "blue", messages=0)
    assert mesh.gateway.in_flight == 0


async def test_split_is_kept(mesh):
    """100 requests over a 90/10 split reach exactly 90 and 10."""
    await mesh.deploy("green")
    await mesh.traffic(blue=90, green=10)
    blue, green = await mesh.work("blue"), await mesh.work("green")
    client = await mesh.client()

    for _ in range(100):
        await client.ask("POST", mesh.path, b"{}", authorization="Bearer secret")

    assert (len(blue.seen), len(green.seen)) == (90, 10)


async def test_sticky_requests_stay(mesh):
    """Requests with one routing key all reach one deployment."""
    await mesh.deploy("green")
    await mesh.traffic(blue=50, green=50)
    blue, green = await mesh.work("blue"), await mesh.work("green")

    for _ in range(10):
        await mesh.score(mesh_routing_key="user-1")

    assert sorted((len(blue.seen), len(green.seen))) == [0, 10]


async def test_worker_may_notice_the_deadline_first(mesh):
    """A worker's 408 is the client's 408, not a model error."""
    headers = {wire.STATUS: "408", wire.ERROR: "deadline_exceeded"}
    await mesh.work("blue", lambda message: (b"{}", headers))

    assert (await mesh.score()).status == 408
