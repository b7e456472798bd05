"""`mesh endpoint invoke`, against an HTTP server in the gateway's place."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from mesh.cli.access import error_text
from mesh.client import Answer

INVOKE = ("endpoint", "invoke", "-n", "iris", "--request-file")


class Gateway(BaseHTTPRequestHandler):
    """Answers with what it was asked; 424 if the body is `raise`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        failed = body == b"raise"
        told = {
            "message": "the model raised",
            "path": self.path,
            "key": self.headers["Authorization"],
            "type": self.headers["Content-Type"],
            "deployment": self.headers.get("azureml-model-deployment"),
            "body": body.decode(),
        }
        answer = json.dumps(told).encode()
        self.send_response(424 if failed else 200)
        self.send_header("Content-Length", str(len(answer)))
        if failed:
            self.send_header("ms-azureml-model-error-reason", "ValueError")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_) -> None:
        """Say nothing."""


@pytest.fixture
def gateway(service):
    """The gateway that the endpoint's scoring URI leads to."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    Thread(target=server.serve_forever, daemon=True).start()
    service.uri = f"http://127.0.0.1:{server.server_port}/endpoints/{{}}/score"
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
async def iris(mesh, gateway, folder):
    """An endpoint with one deployment, and a file to send."""
    (folder / "request.json").write_text('{"data": 1}')
    await mesh("endpoint", "create", "-n", "iris")
    await mesh("deployment", "create", "-f", "blue.yml")


async def test_the_answer_is_printed_as_it_came(mesh, iris):
    """The file is posted as JSON with the primary key; stdout is the answer's body."""
    result = await mesh(*INVOKE, "request.json")

    answer = json.loads(result.stdout)
    assert answer["path"] == "/endpoints/iris/score"
    assert (answer["body"], answer["type"]) == ('{"data": 1}', "application/json")
    assert (answer["key"], answer["deployment"]) == ("Bearer first", None)


async def test_a_deployment_can_be_named(mesh, iris):
    """`--deployment-name` goes along as the header that overrules the split."""
    args = ("--deployment-name", "blue", "--key-type", "secondary")

    answer = json.loads((await mesh(*INVOKE, "-", *args, stdin="x")).stdout)

    assert (answer["deployment"], answer["key"], answer["body"]) == ("blue", "Bearer second", "x")


async def test_an_unknown_deployment_is_refused_before_the_call(mesh, iris):
    """Exit code 4, and the names that would do."""
    result = await mesh(*INVOKE, "request.json", "--deployment-name", "red")

    assert result.exit_code == 4
    assert "it has: blue" in result.stderr


async def test_an_error_of_the_model_is_told(mesh, iris):
    """Exit code 1, status, message and the model's reason on stderr; stdout stays empty."""
    result = await mesh(*INVOKE, "-", stdin="raise")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.strip() == "error: 424 Failed Dependency: the model raised (ValueError)"


def test_an_error_of_the_gateway_is_told_in_words():
    """Its message is shown, not the JSON around it."""
    body = b'{"error": {"code": "not_found", "message": "no deployment has traffic"}}'

    text = error_text(Answer(status=404, body=body))

    assert text == "404 Not Found: no deployment has traffic"


async def test_a_missing_request_file_is_a_usage_error(mesh, iris):
    """Exit code 2 and the file's name."""
    result = await mesh(*INVOKE, "nope.json")

    assert result.exit_code == 2
    assert "nope.json: No such file" in result.stderr


async def test_a_gateway_that_is_gone_is_unreachable(mesh, iris, gateway):
    """Exit code 3 and the address."""
    gateway.shutdown()
    gateway.server_close()

    result = await mesh(*INVOKE, "request.json")

    assert result.exit_code == 3
    assert "http://127.0.0.1" in result.stderr
