"""What a client asks and is answered, without a mesh."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from mesh.client.answer import Answer, checked
from mesh.client.options import ASK_OPTIONS, SUBMIT_OPTIONS, ask
from mesh.client.retry import asked_pause_s, with_retries
from mesh.errors import (
    AnswerUnknownError,
    BackendError,
    BusError,
    CapacityError,
    MeshError,
    NotFoundError,
    PoisonError,
    QueueFullError,
    error_body,
)


def test_importing_the_package_is_cheap():
    """Each way to a mesh is imported when it is used."""
    code = "import sys; from mesh import Client, SyncClient; "
    code += "sys.exit(bool({'httpx', 'nats', 'rich'} & set(sys.modules)))"

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


@pytest.mark.parametrize(
    ("options", "marks"),
    [
        ({"priority": "low"}, {"Mesh-Priority": "low"}),
        ({"expires": 60, "not_before": 1.5}, {"Mesh-Expires": "60", "Mesh-Not-Before": "1.5"}),
        (
            {"expires": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)},
            {"Mesh-Expires": "2030-01-02T03:04:05+00:00"},
        ),
        ({"webhook": "https://a.b/c"}, {"Mesh-Webhook": "https://a.b/c"}),
        ({"idempotency_key": "k-1"}, {"Mesh-Idempotency-Key": "k-1"}),
    ],
)
def test_options_of_a_queued_request_are_worded(options, marks):
    """Each has its header."""
    assert ask("iris", 1, options, SUBMIT_OPTIONS).marks == marks


@pytest.mark.parametrize(
    ("options", "kind", "named"),
    [
        ({"urgency": "low"}, TypeError, "unexpected option 'urgency'"),
        ({"expires": datetime(2030, 1, 2)}, ValueError, "expires 2030-01-02 00:00:00"),
        ({"webhook": "a\r\nb"}, ValueError, "printable ASCII"),
        ({"headers": {"x-tag": "\u00e9"}}, ValueError, "x-tag"),
    ],
)
def test_options_that_cannot_be_are_refused(options, kind, named):
    """Before anything is sent."""
    with pytest.raises(kind, match=named):
        ask("iris", 1, options, SUBMIT_OPTIONS)


def refusing(*errors):
    """A step that fails with these errors, one after another, and then succeeds."""
    left = list(errors)

    async def step():
        if left:
            raise left.pop(0)
        return "done"

    return step


def soon(kind):
    """An error whose answer asks to come back at once."""
    return kind(answer=Answer(status=429, body=b"", headers={"Retry-After": "0"}))


async def test_what_was_refused_is_asked_again():
    """As often as was said, and no more."""
    assert await with_retries(refusing(soon(QueueFullError), soon(CapacityError)), 2) == "done"
    with pytest.raises(QueueFullError):
        await with_retries(refusing(*[soon(QueueFullError)] * 2), 1)


async def test_what_may_have_run_is_asked_again_only_with_a_key():
    """It would be run a second time."""
    with pytest.raises(AnswerUnknownError):
        await with_retries(refusing(soon(AnswerUnknownError)), 3)
    assert await with_retries(refusing(soon(AnswerUnknownError)), 3, is_keyed=True) == "done"


async def test_what_is_refused_for_good_is_not_asked_again():
    """A wrong request stays one."""
    with pytest.raises(NotFoundError):
        await with_retries(refusing(soon(NotFoundError)), 3, is_keyed=True)


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [({"retry-after": "7"}, 7), ({"Retry-After": "99"}, 60), ({"Retry-After": "soon"}, None)],
)
def test_pause_is_the_one_that_was_asked_for(headers, pause_s):
    """Within a minute; whatever way it came."""
    error = QueueFullError(answer=Answer(status=429, body=b"", headers=headers))

    assert asked_pause_s(error) == pause_s
