"""What a client asks and is answered, without a mesh."""

import subprocess
import sys

import pytest

from mesh.client.answer import Answer, checked
from mesh.client.options import ASK_OPTIONS, ask
from mesh.errors import BackendError, BusError, MeshError, NotFoundError, PoisonError, error_body


def test_importing_the_package_is_cheap():
    """The client and all it needs are imported when it is asked for."""
    code = "import mesh, sys; sys.exit('httpx' in sys.modules or 'nats' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({"data": [1.5]}, b'{"data":[1.5]}'),
        (b"\x00", b"\x00"),
        (bytearray(b"ab"), b"ab"),
        ("text", b'"text"'),
        (None, b"null"),
    ],
)
def test_bytes_are_the_body_and_all_else_is_json(data, body):
    """Nothing is guessed."""
    assert ask("iris", data, {}, ASK_OPTIONS).body == body


def test_own_headers_win():
    """A content type of one's own replaces the usual one, however it is written."""
    asked = ask("iris", 1, {"deployment": "blue", "headers": {"content-type": "x/y"}}, ASK_OPTIONS)

    assert asked.headers == {"content-type": "x/y", "azureml-model-deployment": "blue"}


@pytest.mark.parametrize(
    ("answer", "code", "kind"),
    [
        pytest.param(Answer(status=424, body=b"teapot"), "", BackendError, id="a model's error"),
        pytest.param(
            Answer(status=424, body=error_body("poison", "died")), "", PoisonError, id="poison"
        ),
        pytest.param(
            Answer(status=424, body=error_body("unauthorized", "me")), "", BackendError, id="mimic"
        ),
        pytest.param(
            Answer(status=404, body=error_body("not_found", "gone")), "", NotFoundError, id="ours"
        ),
        pytest.param(Answer(status=503, body=b""), "bus", BusError, id="named by a header"),
        pytest.param(Answer(status=502, body=b"<html>"), "", MeshError, id="a proxy's"),
    ],
)
def test_error_is_of_its_class(answer, code, kind):
    """By its code, wherever that is told; the answer goes along."""
    with pytest.raises(kind) as caught:
        checked(answer, code)

    assert type(caught.value) is kind
    assert caught.value.context["answer"] is answer


def test_success_is_returned():
    """2xx, all of it."""
    answer = Answer(status=202, body=b"{}")

    assert checked(answer) is answer
    assert answer.json() == {}
