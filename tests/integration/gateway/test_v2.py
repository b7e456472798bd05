"""The v2 inference protocol through the gateway, for deployments with a model of Triton's."""

import asyncio
import json

import numpy as np
import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from mesh import subjects, wire
from mesh.spec.deployment import ModelSpec

MODEL = ModelSpec(path="models", type="triton_model")
KEY = "Bearer secret"
SIZE = "inference-header-content-length"


def json_answer(content, status="200"):
    headers = {wire.STATUS: status, wire.CONTENT_TYPE: "application/json"}
    return json.dumps(content).encode(), headers


@pytest.fixture
async def v2(mesh):
    """Blue speaks v2 and answers with the path it was asked; paths without `/score`."""
    await mesh.deploy("blue", model=MODEL)
    await mesh.work("blue", lambda message: json_answer(message.headers[wire.PATH]))
    mesh.path = f"/endpoints/{mesh.endpoint}"
    return mesh


async def ask(mesh, path, body=b"", method="GET", **headers):
    mesh.path = f"/endpoints/{mesh.endpoint}{path}"
    return await mesh.score(body, method, **headers)


@pytest.mark.parametrize(
    "path",
    ["/v2", "/v2/health/ready", "/v2/models/my%20model/versions/1", "/v2/models/stats?a=%2F"],
)
async def test_path_reaches_the_model_as_it_was_sent(v2, path):
    """From `/v2` on, query and percent-encoding included."""
    answer = await ask(v2, path)

    assert (answer.status, json.loads(answer.body)) == (200, path)
    assert answer.headers["azureml-model-deployment"] == "blue"


async def test_method_and_body_reach_the_model(mesh):
    """A POST brings its body and its content type; headers that are not read cost nothing."""
    await mesh.deploy("blue", model=MODEL)
    worker = await mesh.work("blue")

    await ask(mesh, "/v2/models/a/infer", b"{}", "POST", content_type="application/json")

    headers = worker.seen[0].headers
    assert (headers[wire.METHOD], headers[wire.CONTENT_TYPE]) == ("POST", "application/json")
    assert worker.seen[0].data == b"{}"
    assert wire.HTTP not in headers


async def test_endpoint_with_a_host_of_its_own_has_v2_too(nats_url, open_mesh):
    """With a domain, `http://<endpoint>.<domain>/v2/...` is the same as the path."""
    mesh = await open_mesh(nats_url, domain="mesh.example")
    await mesh.deploy("blue", model=MODEL)
    await mesh.traffic(blue=100)
    await mesh.work("blue", lambda message: json_answer(message.headers[wire.PATH]))
    client = await mesh.client()

    client.send(
        f"GET /v2/health/live HTTP/1.1\r\nhost: {mesh.endpoint}.mesh.example\r\n"
        f"authorization: {KEY}\r\n\r\n".encode()
    )

    assert json.loads((await client.answer()).body) == "/v2/health/live"


async def test_v2_wants_the_key(v2):
    """No path of an endpoint is open to strangers, not even the one that asks whether it lives."""
    answer = await ask(v2, "/v2/health/live", authorization="Bearer wrong")

    assert answer.status == 401
    assert json.loads(answer.body)["error"]["code"] == "unauthorized"


@pytest.mark.parametrize("path", ["/v2/..%2Fscore", "/v2/../score", "/v2//", "/v2/", "/v2/%zz"])
async def test_path_out_of_order_is_400(v2, path):
    """Nothing is tidied up on the way: what two readers may read in two ways is refused."""
    answer = await ask(v2, path)

    assert answer.status == 400
    assert json.loads(answer.body)["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("method", ["PUT", "HEAD", "DELETE"])
@pytest.mark.parametrize("path", ["/v2", "/v2/models/a/infer"])
async def test_other_methods_are_not_allowed(v2, path, method):
    """405, with the methods that would do."""
    v2.path = f"/endpoints/{v2.endpoint}{path}"
    client = await v2.client()
    client.request(method, v2.path, authorization=KEY)

    head = await client.reader.readuntil(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 405 ")
    assert b"allow: " in head


async def test_unknown_endpoint_is_404(v2):
    """As for `/score`."""
    client = await v2.client()

    answer = await client.ask("GET", "/endpoints/nobody/v2", authorization=KEY)

    assert answer.status == 404
    assert json.loads(answer.body)["error"]["message"] == "no such endpoint"


async def test_deployment_that_does_not_speak_v2_is_404(v2):
    """The message says which deployment, and what would be right."""
    await v2.deploy("script")

    answer = await ask(v2, "/v2/health/live", azureml_model_deployment="script")

    message = json.loads(answer.body)["error"]["message"]
    assert answer.status == 404
    assert "deployment script serves no /v2" in message
    assert f"/endpoints/{v2.endpoint}/score" in message
    assert (await ask(v2, "/v2/health/live", azureml_model_deployment="blue")).status == 200


async def test_access_record_has_the_path(v2):
    """Whatever the path, the record shows it from `/v2` on."""
    batches = asyncio.Queue()
    await v2.bus.subscribe(subjects.traffic(v2.endpoint), batches.put)

    await ask(v2, "/v2/models/a?b=c")
    await ask(v2, "/v2/../a")

    batch = wire.decode((await batches.get()).data, wire.AccessBatch)
    assert [(record.path, record.status) for record in batch.records] == [
        ("/v2/models/a?b=c", 200),
        ("/v2/../a", 400),
    ]


@pytest.mark.parametrize("path", ["/v2/models/a/infer", "/score"])
@pytest.mark.parametrize("read_headers", [False, True])
async def test_what_a_body_cannot_be_read_without_is_passed_on(mesh, path, read_headers):
    """Where its JSON ends and how it is packed, whether the deployment reads headers or not."""
    await mesh.deploy("blue", model=MODEL, read_headers=read_headers)
    worker = await mesh.work("blue")
    many = {f"x_{number}": "y" * 1000 for number in range(20)}

    await ask(
        mesh, path, b"{}1234", "POST", **many,
        Inference_Header_Content_Length="2", content_encoding="gzip",
    )  # fmt: skip

    pairs = json.loads(worker.seen[0].headers[wire.HTTP])
    assert pairs[:2] == [[SIZE, "2"], ["content-encoding", "gzip"]]
    assert (len(pairs) > 2) is read_headers


async def test_copy_for_a_mirror_that_does_not_speak_v2_is_counted(mesh):
    """It is not sent, and shows in the counts; the client does not notice."""
    await mesh.deploy("blue", model=MODEL)
    await mesh.deploy("script")
    await mesh.traffic(blue=100, mirror={"script": 50})
    await mesh.work("blue")

    answers = [await ask(mesh, "/v2") for _ in range(4)]
    text = (await (await mesh.client()).ask("GET", "/metrics")).body.decode()

    labels = f'deployment="script",endpoint="{mesh.endpoint}"'
    assert {answer.status for answer in answers} == {200}
    assert f'mesh_gateway_mirrored_total{{{labels},outcome="unfit"}} 2.0' in text


class Adder:
    """A stand-in for the worker: answers what tritonclient asks, adding 1 to the tensor X."""

    def __init__(self):
        self.encodings = []

    def __call__(self, message):
        method = message.headers[wire.METHOD]
        path = message.headers[wire.PATH]
        if method == "POST":
            return self.infer(message)
        if path == "/v2/models/away/ready":
            return json_answer({"error": "no such model"}, "400")
        return json_answer({"name": path})

    def infer(self, message):
        pairs = dict(json.loads(message.headers.get(wire.HTTP, "[]")))
        self.encodings.append(pairs.get("content-encoding"))
        if message.headers[wire.PATH].endswith("/bad/infer"):
            return json_answer({"error": "unexpected shape"}, "400")
        if SIZE not in pairs or "content-encoding" in pairs:
            return json_answer(self.output({"data": [2.0, 3.0]}))
        tensor = np.frombuffer(message.data[int(pairs[SIZE]) :], np.float32) + 1
        head = json.dumps(self.output({"parameters": {"binary_data_size": 8}})).encode()
        headers = {
            wire.STATUS: "200",
            wire.CONTENT_TYPE: "application/octet-stream",
            wire.HTTP: json.dumps([["Inference-Header-Content-Length", str(len(head))]]),
        }
        return head + tensor.tobytes(), headers

    @staticmethod
    def output(rest):
        return {"outputs": [{"name": "Y", "datatype": "FP32", "shape": [2], **rest}]}


@pytest.fixture
async def client(v2):
    """What runs a function of a tritonclient against the gateway, in a thread of its own."""
    await v2.deploy("green", model=MODEL)
    await v2.traffic(green=100)
    v2.adder = Adder()
    await v2.work("green", v2.adder)

    def run(act):
        with triton.InferenceServerClient(f"127.0.0.1:{v2.port}/endpoints/{v2.endpoint}") as one:
            return act(one, {"Authorization": KEY})

    return lambda act: asyncio.to_thread(run, act)


async def test_tritonclient_asks_about_server_and_models(client):
    """Unmodified, with the key in its headers: liveness, readiness, metadata, configuration."""
    found = await client(
        lambda one, headers: (
            one.is_server_live(headers),
            one.is_server_ready(headers),
            one.is_model_ready("my model", "2", headers),
            one.is_model_ready("away", "", headers),
            one.get_server_metadata(headers),
            one.get_model_metadata("my model", headers=headers),
            one.get_model_config("add", "1", headers),
        )
    )

    assert found[:4] == (True, True, True, False)
    assert [answer["name"] for answer in found[4:]] == [
        "/v2",
        "/v2/models/my%20model",
        "/v2/models/add/versions/1/config",
    ]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_tritonclient_infers(client, v2, binary, compression):
    """Tensors go and come as JSON or as bytes, packed or not."""

    def infer(one, headers):
        tensor = triton.InferInput("X", [2], "FP32")
        tensor.set_data_from_numpy(np.array([1, 2], np.float32), binary_data=binary)
        outputs = [triton.InferRequestedOutput("Y", binary_data=binary)]
        return one.infer(
            "add", [tensor], outputs=outputs, headers=headers,
            request_compression_algorithm=compression,
        ).as_numpy("Y")  # fmt: skip

    assert (await client(infer)).tolist() == [2, 3]
    assert v2.adder.encodings == [compression]


async def test_tritonclient_shows_the_models_error(client):
    """What the model refuses is 424, with the message it gave."""

    def infer(one, headers):
        tensor = triton.InferInput("X", [2], "FP32")
        tensor.set_data_from_numpy(np.array([1, 2], np.float32))
        with pytest.raises(InferenceServerException) as caught:
            one.infer("bad", [tensor], headers=headers)
        return caught.value

    error = await client(infer)

    assert (error.status(), error.message()) == ("424", "unexpected shape")


async def test_invocation_chooses_the_path_as_over_http(v2):
    """`Mesh-Path` and `Mesh-Method`; a model is asked, or the message refused."""
    subject = subjects.invoke(v2.endpoint)
    asked = {wire.PATH: "/v2/health/ready", wire.METHOD: "GET"}

    told = await v2.bus.request(subject, b"", headers=asked, timeout_s=10)
    refused = await v2.bus.request(subject, b"", headers={wire.PATH: "/metrics"}, timeout_s=10)

    assert (told.headers[wire.STATUS], json.loads(told.data)) == ("200", "/v2/health/ready")
    assert (refused.headers[wire.STATUS], refused.headers[wire.ERROR]) == ("404", "not_found")
