"""The same request to the mesh's runtime and to Triton's own HTTP server gets the same answer."""

import json
import struct
import zlib
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import tritonclient.http

from tests.runners import Heard
from tests.triton import RunningTriton, write_model
from workers.exchange import Outcome, RunRequest
from workers.triton.runner import AttachedServer
from workers.triton.runtime import AttachedRuntime

pytestmark = pytest.mark.foreign

KINDS = {
    "FP64": "d", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q",
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
}  # fmt: skip
# Takes two texts; answers how many bytes came, all that a stub shows that knows no newer numpy.
TEXT = """
import numpy as np
import triton_python_backend_utils as pb
sizes = []

def read(encoded):
    sizes[:] = [encoded.size]
    return np.array([b"", b""], object)

pb.deserialize_bytes_tensor = read
class TritonPythonModel:
    def execute(self, requests):
        y = np.array(sizes, np.float32)
        return [pb.InferenceResponse([pb.Tensor.from_dlpack("y", y)]) for _ in requests]
"""
TWO = """
import numpy as np
import triton_python_backend_utils as pb
class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            x = pb.get_input_tensor_by_name(request, "x")
            z = np.from_dlpack(x) + 1
            outputs = [pb.Tensor.from_dlpack("y", x), pb.Tensor.from_dlpack("z", z)]
            wanted = request.requested_output_names()
            answers.append(pb.InferenceResponse([o for o in outputs if o.name() in wanted]))
        return answers
"""
LABELLED = 'output { name: "z" data_type: TYPE_FP32 dims: [-1] label_filename: "labels.txt" }'
# What is not told over gRPC, or differs from one moment to the next.
UNTOLD = {"last_inference", "response_stats"}


class Both:
    """One server, asked through the runtime and directly."""

    def __init__(self, runner: AttachedServer, heard: Heard, url: str) -> None:
        self.runner = runner
        self.heard = heard
        self.url = url
        self.http = httpx.AsyncClient(base_url=url)
        self._number = 0

    async def ours(self, method: str, path: str, body: bytes = b"", **headers: str) -> Outcome:
        """Ask the runtime as the worker does."""
        self._number += 1
        pairs = json.dumps([[key.replace("_", "-"), text] for key, text in headers.items()])
        request = RunRequest(
            number=self._number,
            request_id=f"id-{self._number}",
            method=method,
            path=path,
            body=body,
            headers=pairs.encode() if headers else b"",
        )
        self.runner.submit(request)
        return await self.heard.end(request.number)

    async def theirs(self, method: str, path: str, body: bytes = b"", **headers: str):
        """Ask Triton's HTTP server."""
        names = {key.replace("_", "-"): text for key, text in headers.items()}
        head = {"content-type": "application/octet-stream", **names}
        return await self.http.request(method, path, content=body, headers=head)

    async def both(self, method: str, path: str, body: bytes = b"", **headers: str):
        """Ask both; the answers as status, JSON and binary part."""
        ours = await self.ours(method, path, body, **headers)
        theirs = await self.theirs(method, path, body, **headers)
        pairs = dict(json.loads(ours.headers)) if ours.headers else {}
        return (
            (ours.status, *split(ours.body, pairs.get("Inference-Header-Content-Length"))),
            (
                theirs.status_code,
                *split(theirs.content, theirs.headers.get("inference-header-content-length")),
            ),
        )


def split(body: bytes, json_bytes: str | None):
    """A body's JSON, without what cannot be compared, and what is behind it."""
    at = len(body) if json_bytes is None else int(json_bytes)
    return comparable(json.loads(body[:at])) if body else None, body[at:]


def comparable(value):
    """A value without what differs from one moment to the next."""
    if isinstance(value, dict):
        return {key: comparable(one) for key, one in value.items() if key not in UNTOLD}
    return [comparable(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTriton]:
    """A server with a model of each kind, its HTTP port open."""
    folder = tmp_path_factory.mktemp("triton")
    models = write_model(folder / "models")
    for kind in KINDS:
        write_model(models, kind.lower(), kind=f"TYPE_{kind}")
    write_model(models, "bool", kind="TYPE_BOOL")
    write_model(models, "half", kind="TYPE_FP16")
    write_model(models, "two", code=TWO, more=LABELLED)
    (models / "two" / "labels.txt").write_text("zero\none\ntwo\n")
    write_model(models, "text", code=TEXT)
    config = models / "text" / "config.pbtxt"
    config.write_text(config.read_text().replace("TYPE_FP32", "TYPE_STRING", 1))
    running = RunningTriton(folder, models)
    running.start()
    yield running
    running.kill()


@pytest.fixture
async def server(running: RunningTriton) -> AsyncIterator[Both]:
    """The runtime, attached to the server."""
    heard = Heard()
    runner = AttachedRuntime(running.address, frozenset({"echo"})).start(heard.callbacks)
    await runner.ready()
    both = Both(runner, heard, running.url)
    yield both
    await both.http.aclose()
    await runner.close(5.0)


def asked(*tensors: dict, **more) -> bytes:
    """A request in JSON."""
    return json.dumps({"inputs": list(tensors), **more}).encode()


def tensor(data, shape: list[int], datatype: str = "FP32", **more) -> dict:
    """An input in JSON."""
    return {"name": "x", "shape": shape, "datatype": datatype, "data": data, **more}


def binary(raw: bytes, shape: list[int], datatype: str = "FP32") -> dict:
    """An input whose data is behind the JSON."""
    parameters = {"binary_data_size": len(raw)}
    return {"name": "x", "shape": shape, "datatype": datatype, "parameters": parameters}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2"),
        ("GET", "/v2/health/live"),
        ("GET", "/v2/health/ready"),
        ("GET", "/v2/models/two"),
        ("GET", "/v2/models/two/versions/1"),
        ("GET", "/v2/models/two/ready"),
        ("GET", "/v2/models/two/versions/1/ready"),
        ("GET", "/v2/models/two/config"),
        ("GET", "/v2/models/two/stats"),
        ("GET", "/v2/models/stats"),
        ("POST", "/v2/repository/index"),
        ("GET", "/v2/models/gone"),
        ("GET", "/v2/models/gone/ready"),
        ("GET", "/v2/models/gone/stats"),
        ("GET", "/v2/models/gone/config"),
        ("GET", "/v2/repository/index"),
    ],
)
async def test_what_is_told_of_models_is_the_same(server: Both, method: str, path: str):
    """Metadata, configuration, statistics and readiness have Triton's own form."""
    ours, theirs = await server.both(method, path)

    assert ours == theirs


@pytest.mark.parametrize("kind", KINDS)
async def test_numbers_of_each_kind_go_both_ways(server: Both, kind: str):
    """As JSON and as binary data, in any mixture."""
    raw = struct.pack(f"<3{KINDS[kind]}", 1, 2, 100)
    path = f"/v2/models/{kind.lower()}/infer"
    text = asked(binary(raw, [3], kind), parameters={"binary_data_output": True})

    for body, headers in (
        (asked(tensor([1, 2, 100], [3], kind)), {}),
        (asked(tensor([[1], [2], [100]], [3], kind), id="7"), {}),
        (text + raw, {"inference_header_content_length": str(len(text))}),
    ):
        ours, theirs = await server.both("POST", path, body, **headers)

        assert ours[0] == 200, ours
        assert ours == theirs


@pytest.mark.parametrize(
    "outputs",
    [
        pytest.param([], id="all"),
        pytest.param([{"name": "z"}], id="one"),
        pytest.param(
            [{"name": "z", "parameters": {"binary_data": True}}, {"name": "y"}], id="mixed"
        ),
        pytest.param([{"name": "z", "parameters": {"classification": 2}}], id="classes"),
        pytest.param(
            [{"name": "z", "parameters": {"classification": 3, "binary_data": True}}],
            id="binary-classes",
        ),
    ],
)
async def test_outputs_are_what_was_asked_for(server: Both, outputs: list):
    """By name, as binary data or JSON, as classes with their labels."""
    body = asked(tensor([0.1, 2.5, -1e-7], [3]), outputs=outputs)

    ours, theirs = await server.both("POST", "/v2/models/two/infer", body)

    assert ours[0] == 200, ours
    assert ours == theirs


async def test_text_goes_in(server: Both):
    """BYTES as JSON strings and as binary data with lengths before them."""
    raw = b"".join(struct.pack("<I", len(one)) + one for one in (b"a", "b\u00e9".encode()))
    head = asked(binary(raw, [2], "BYTES"))

    for body, headers in (
        (asked(tensor(["a", "b\u00e9"], [2], "BYTES")), {}),
        (head + raw, {"inference_header_content_length": str(len(head))}),
    ):
        ours, theirs = await server.both("POST", "/v2/models/text/infer", body, **headers)

        assert ours[0] == 200, ours
        assert ours == theirs


async def test_booleans_and_halves(server: Both):
    """BOOL has a form in JSON, FP16 only one as binary data."""
    raw = struct.pack("<2e", 1.5, -2.0)
    head = asked(binary(raw, [2], "FP16"), parameters={"binary_data_output": True})
    length = {"inference_header_content_length": str(len(head))}

    ours, theirs = await server.both("POST", "/v2/models/half/infer", head + raw, **length)
    refused = await server.ours("POST", "/v2/models/half/infer", asked(tensor([1.5], [1], "FP16")))

    assert ours == theirs
    assert (ours[0], ours[2]) == (200, raw)
    assert refused.status == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/v2/models/gone/infer", asked(tensor([1], [1])), id="model"),
        pytest.param("/v2/models/echo/versions/7/infer", asked(tensor([1], [1])), id="version"),
        pytest.param("/v2/models/echo/infer", asked(tensor([-1], [1])), id="model-says-no"),
        pytest.param("/v2/models/echo/infer", asked(tensor([1], [1, 1])), id="shape"),
        pytest.param("/v2/models/echo/infer", asked(tensor([1], [1], "FP64")), id="datatype"),
        pytest.param(
            "/v2/models/echo/infer", asked(tensor([1], [1]), tensor([1], [1])), id="twice"
        ),
        pytest.param("/v2/models/echo/infer", asked(), id="no-input"),
        pytest.param(
            "/v2/models/echo/infer", asked(tensor([1], [1]), outputs=[{"name": "q"}]), id="output"
        ),
    ],
)
async def test_errors_are_tritons(server: Both, path: str, body: bytes):
    """What Triton refuses has its status and its message."""
    ours, theirs = await server.both("POST", path, body)

    assert ours[0] == theirs[0]
    assert ours[1]["error"].split("] ")[-1] == theirs[1]["error"].split("] ")[-1]


async def test_what_triton_is_told_beside_the_tensors(server: Both):
    """The id comes back, parameters of a request are taken."""
    body = asked(tensor([1], [1]), id="mine", parameters={"priority": 1, "a": "b", "c": True})

    ours, theirs = await server.both("POST", "/v2/models/echo/infer", body)

    assert ours == theirs
    assert ours[1]["id"] == "mine"


@pytest.mark.parametrize(("encoding", "bits"), [("gzip", 31), ("deflate", 15)])
async def test_compressed_bodies_are_read(server: Both, encoding: str, bits: int):
    """As the client's request_compression_algorithm makes them."""
    packer = zlib.compressobj(wbits=bits)
    raw = struct.pack("<2f", 1, 2)
    head = asked(binary(raw, [2]))
    body = packer.compress(head + raw) + packer.flush()
    headers = {
        "inference_header_content_length": str(len(head)), "content_encoding": encoding
    }  # fmt: skip

    ours, theirs = await server.both("POST", "/v2/models/echo/infer", body, **headers)

    assert ours[0] == 200, ours
    assert ours == theirs


async def test_the_clients_own_bodies_are_read(server: Both):
    """What tritonclient.http makes, it can also read back."""
    make = tritonclient.http.InferenceServerClient
    given = tritonclient.http.InferInput("x", [2], "FP32")
    np = pytest.importorskip("numpy")
    given.set_data_from_numpy(np.array([1.5, 2.5], np.float32))
    body, length = make.generate_request_body([given])

    said = await server.ours(
        "POST", "/v2/models/echo/infer", body, inference_header_content_length=str(length)
    )
    pairs = dict(json.loads(said.headers))
    result = make.parse_response_body(
        said.body, header_length=int(pairs["Inference-Header-Content-Length"])
    )

    assert said.content_type == "application/octet-stream"
    assert result.as_numpy("y").tolist() == [1.5, 2.5]


async def test_score_needs_a_repository_of_one_model(server: Both):
    """With several the request must name one; the answer says which there are."""
    said = await server.ours("POST", "/score", asked(tensor([1], [1])))

    assert said.status == 400
    assert "echo" in json.loads(said.body)["error"]
    assert "two" in json.loads(said.body)["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/echo/infer", 405),
        ("POST", "/v2/repository/models/echo/unload", 400),
        ("GET", "/v2/systemsharedmemory/status", 400),
        ("POST", "/v2/models/echo/generate", 400),
    ],
)
async def test_what_is_not_passed_on_is_refused(server: Both, method: str, path: str, status: int):
    """With a sentence, not in silence."""
    said = await server.ours(method, path, b"{}")

    assert said.status == status
    assert json.loads(said.body)["error"]
