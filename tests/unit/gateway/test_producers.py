"""What is read from a producer's message, without a broker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import ingress, terms
from gateway.edge import Response, refusal, stored
from gateway.invocation import answer_fields, header_list, may_answer, place_of
from gateway.routes import Route
from gateway.submission import prefers_async
from mesh import wire
from mesh.errors import QueueFullError, RequestError
from mesh.names import is_request_id
from mesh.records import JobRecord
from mesh.settings import GatewaySettings


@pytest.mark.parametrize(
    ("reply", "may"),
    [
        ("_INBOX.x.1", True),
        ("anything.else", True),
        ("mesh.work.iris.blue.interactive", False),
        ("mesh.reply.iris.blue.g1.7", False),
        ("$JS.API.STREAM.DELETE.X", False),
        ("_INBOX.\u00fc", False),
    ],
)
def test_answers_go_to_no_subject_of_the_mesh(reply, may):
    """The gateway lends its rights to nobody."""
    assert may_answer(reply) is may


def test_header_names_know_no_capitals():
    """A producer writes them as it likes."""
    assert header_list({"X-Tag": "\u00fc"}) == [(b"x-tag", b"\xfc")]


@given(st.text(max_size=50))
def test_whatever_a_worker_says_makes_whole_header_lines(text):
    """Nothing in a value ends its line."""
    fields = answer_fields(Response(200, b"", b"", {wire.CONTENT_TYPE: text}))

    assert fields.isascii()
    assert all(line.count(": ") for line in fields.split("\r\n")[:-1])
    assert fields.count("\n") == fields.count("\r\n") <= 2


def test_refusal_says_code_and_status():
    """In headers, for those who read no bodies."""
    fields = answer_fields(refusal(QueueFullError()))

    assert f"{wire.STATUS}: 429\r\n" in fields
    assert f"{wire.ERROR}: queue_full\r\n" in fields


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({wire.REQUEST_ID: "a", wire.MSG_ID: "b"}, "a"),
        ({wire.MSG_ID: "b"}, "b"),
        ({wire.REQUEST_ID: "a b", wire.MSG_ID: "x" * 65}, "ingress-7"),
        ({}, "ingress-7"),
    ],
)
def test_every_request_has_an_id(headers, expected):
    """Its producer's, else one made of its number; always one that may stand in a subject."""
    assert ingress.id_of(headers, 7) == expected
    assert is_request_id(expected)


def test_time_limit_is_the_producers():
    """In whole milliseconds, up to a day."""
    assert ingress.wished_ms("1500", 86_400) == 1500
    assert ingress.wished_ms("86400000", 86_400) == 86_400_000


@pytest.mark.parametrize(("ttl_s", "expected"), [(86_400, (3600, 86_400)), (600, (600, 600))])
def test_nothing_waits_for_longer_than_it_is_known(ttl_s, expected):
    """A day at most, less if results are kept for less."""
    assert terms.Allowed.of(GatewaySettings(result_ttl_s=ttl_s))[:2] == expected
    assert terms.Allowed.of(GatewaySettings(result_ttl_s=30 * 86_400)).longest_s == 86_400


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "soon", "", "86400001", "\u0661"])
def test_time_limit_that_cannot_be_is_refused(text):
    """With the header, the value and the rule."""
    with pytest.raises(RequestError, match=r"Mesh-Timeout-Ms: .* expected 1 to 86400000"):
        ingress.wished_ms(text, 86_400)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 3600.0),
        ({b"x-ms-request-timeout-ms": b"500"}, 0.5),
        ({b"request-timeout": b"90000000"}, terms.LONGEST_S),
        ({b"request-timeout": b"soon"}, 3600.0),
    ],
)
def test_wish_over_http_is_kept_within_a_day(headers, expected):
    """Its own, within the limit, or the default."""
    assert terms.wished_timeout_s(headers, 3600.0, 86_400.0) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(JobRecord(deployment="blue", ingress_seq=7), True, id="the same message"),
        pytest.param(JobRecord(ingress_seq=7), True, id="the same, not yet routed"),
        pytest.param(JobRecord(deployment="blue", ingress_seq=6), False, id="another message"),
        pytest.param(JobRecord(deployment="blue"), False, id="one that came over HTTP"),
        pytest.param(JobRecord(), True, id="taken from a deleted deployment"),
    ],
)
def test_job_is_for_its_message(record, expected):
    """So that a redelivery goes on, and a second request of the same id does not begin."""
    assert ingress.is_for(record, 7) is expected


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        (b"respond-async", True),
        (b"Respond-Async, wait=10", True),
        (b"wait=10; respond-async", True),
        (b"respond-asynchronously", False),
        (b"return=minimal", False),
        (b"", False),
    ],
)
def test_preference_is_read_among_others(prefer, expected):
    """As RFC 7240 writes them."""
    assert prefers_async(prefer) is expected


def test_stored_error_is_shown_as_over_http():
    """The model's own status and its words for it."""
    headers = {
        wire.STATUS: "424",
        wire.ERROR: "model_error",
        wire.MODEL_STATUS: "418",
        wire.REQUEST_ID: "r1",
    }

    response = stored(b"teapot", headers)

    assert (response.status, response.body) == (424, b"teapot")
    assert b"ms-azureml-model-error-statuscode: 418\r\n" in response.head
    assert b"x-request-id: r1\r\n" in response.head


def test_producer_chooses_the_path_its_model_is_asked():
    """As over HTTP; `POST` and `/score` if it says nothing."""
    route = Route("iris")
    asked = {b"mesh-method": b"GET", b"mesh-path": b"/v2/models/a?b=c"}

    assert place_of({}, route) == (b"POST", b"/endpoints/iris/score")
    assert place_of(asked, route) == (b"GET", b"/endpoints/iris/v2/models/a?b=c")


@pytest.mark.parametrize(
    "headers",
    [
        {b"mesh-path": b"/metrics"},
        {b"mesh-path": b"/endpoints/other/score"},
        {b"mesh-path": b"http://x/score"},
        {b"mesh-path": b"/v2/a b"},
        {b"mesh-path": b""},
        {b"mesh-method": b"DELETE"},
    ],
)
def test_producer_reaches_nothing_but_models(headers):
    """No other path, endpoint or method."""
    with pytest.raises(RequestError):
        place_of(headers, Route("iris"))


def test_time_of_too_many_digits_is_refused():
    """It is no number that can be read; the request is not tried for ever."""
    with pytest.raises(RequestError):
        ingress.wished_ms("9" * 5000, 86_400)
