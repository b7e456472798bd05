import json
import re
from pathlib import Path

import pytest

from gateway import edge
from mesh import wire
from mesh.errors import (
    BackendError,
    MeshError,
    NoWorkerError,
    QueueFullError,
    UnauthorizedError,
)
from mesh.statuses import STATUSES, status_of

PROTOCOL = Path(__file__).parents[3] / "docs" / "protocol.md"


def _all_errors(kind: type[MeshError] = MeshError) -> set[type[MeshError]]:
    return {kind}.union(*(_all_errors(child) for child in kind.__subclasses__()))


def _head(response: edge.Response) -> dict[str, str]:
    lines = response.head.decode().rstrip().split("\r\n")
    return dict(line.split(": ", 1) for line in lines)


def test_documented_table_is_the_table():
    """`docs/protocol.md` shows every code with its status, and no other."""
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", PROTOCOL.read_text(), re.MULTILINE)

    assert {code: int(status) for code, status in rows} == STATUSES


def test_refusal_names_code_and_message():
    """An error answer is JSON that says what failed."""
    response = edge.refusal(QueueFullError("the lane is full"))

    assert json.loads(response.body) == {
        "error": {"code": "queue_full", "message": "the lane is full"}
    }


@pytest.mark.parametrize("error", [QueueFullError(), NoWorkerError()])
def test_refusal_for_want_of_capacity_says_when_to_retry(error):
    """429 and 503 carry Retry-After."""
    assert _head(edge.refusal(error))["retry-after"] == "1"


def test_refusal_of_a_stranger_names_the_scheme():
    """401 carries WWW-Authenticate."""
    assert _head(edge.refusal(UnauthorizedError()))["www-authenticate"] == "Bearer"


def test_unknown_code_is_ours():
    """A code this version does not know is 500: never mistaken for the caller's fault."""
    assert status_of("from_the_future") == 500


def test_success_is_handed_on():
    """A model's 2xx, body and content type reach the client as they are."""
    headers = {wire.STATUS: "201", wire.CONTENT_TYPE: "text/csv"}

    response, model_status = edge.answer(b"1,2", headers)

    assert (response.status, response.body, model_status) == (201, b"1,2", 201)
    assert _head(response) == {"content-type": "text/csv"}


@pytest.mark.parametrize("status", ["400", "500", "302", "999"])
def test_other_statuses_of_the_model_are_424(status):
    """Whatever the model says but 2xx is 424; its own status and words are in headers."""
    headers = {wire.STATUS: status, wire.ERROR: BackendError.code, wire.CONTENT_TYPE: "text/plain"}

    response, model_status = edge.answer(b"no", headers)

    assert (response.status, response.body, model_status) == (424, b"no", int(status))
    assert _head(response)["ms-azureml-model-error-statuscode"] == status
    assert _head(response)["ms-azureml-model-error-reason"]


def test_model_error_without_a_code_is_424_too():
    """A worker that only sends a status is understood."""
    assert edge.answer(b"", {wire.STATUS: "500"})[0].status == 424


def test_worker_speaks_with_its_own_status():
    """What the worker says in the model's place has the status of its code."""
    headers = {wire.STATUS: "408", wire.ERROR: "deadline_exceeded"}

    response, _ = edge.answer(b"{}", headers)

    assert response.status == 408
    assert b"model-error" not in response.head


@pytest.mark.parametrize(
    "content_type", ["text/plain\r\nset-cookie: a=b", "text/\x00", "täxt/plain", "", "x" * 999]
)
def test_content_type_cannot_break_the_head(content_type):
    """A value that may not stand in a header becomes a neutral type."""
    assert edge.content_type_line(content_type) == b"content-type: application/octet-stream\r\n"


def test_headers_of_the_model_are_added():
    """A script may add headers; not ours, not those of the connection, and no line breaks."""
    pairs = [["X-Tag", "a"], ["Connection", "close"], ["bad name", "b"], ["x-cut", "a\r\nb: c"]]
    headers = {wire.STATUS: "200", wire.HTTP: json.dumps(pairs)}

    response, _ = edge.answer(b"", headers)

    assert _head(response) == {"content-type": "application/octet-stream", "x-tag": "a"}


def test_every_error_class_has_a_status():
    """No error that may reach the edge falls through the table (those of the spec never do)."""
    reachable = {
        error for error in _all_errors() if error.__module__.startswith(("mesh.errors", "mesh.bus"))
    }

    assert {error.code for error in reachable} - set(STATUSES) <= {"bad_spec"}
