"""What a message that a producer has put into a lane by itself is refused for."""

import json

import pytest

from mesh import wire
from mesh.clock import BrokerClock
from tests.unit.workers.test_work import ACK, ADDRESS
from workers.direct import fault
from workers.pull import read_delivery
from workers.work import Work, decode, malformed_work

ID = {wire.REQUEST_ID: "r1"}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="an id alone"),
        pytest.param({wire.TIMEOUT_MS: "86400000"}, id="a day"),
        pytest.param({wire.PATH: "/score?a=b"}, id="score with a query"),
        pytest.param({wire.METHOD: "GET", wire.PATH: "/v2/models/iris"}, id="v2"),
        pytest.param({wire.HTTP: json.dumps([("x-tag", "a")])}, id="headers"),
        pytest.param({wire.REPLY: ""}, id="no reply"),
    ],
)
def test_what_a_gateway_would_write_is_in_order(headers):
    """Nothing is found."""
    assert fault(ID | headers) == ""


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        pytest.param({wire.REQUEST_ID: ""}, "Mesh-Request-Id: '': expected 1-64", id="no id"),
        pytest.param({wire.REQUEST_ID: "a.b"}, "Mesh-Request-Id: 'a.b'", id="no token"),
        pytest.param({wire.REPLY: "mesh.reply.iris.blue.g.1"}, "Mesh-Reply: the", id="reply"),
        pytest.param({wire.MSG_TTL: "5s"}, "Nats-TTL: the broker", id="time to live"),
        pytest.param({wire.TIMEOUT_MS: "86400001"}, "'86400001': expected at most", id="long"),
        pytest.param({wire.NOT_BEFORE: "60"}, "Mesh-Not-Before: it is a gateway", id="delay"),
        pytest.param({wire.IDEMPOTENCY_KEY: "k"}, "Mesh-Idempotency-Key: it", id="key"),
        pytest.param({wire.METHOD: "PUT"}, "Mesh-Method: 'PUT'", id="method"),
        pytest.param({wire.PATH: "/metrics"}, "Mesh-Path: '/metrics': expected /score", id="path"),
        pytest.param({wire.PATH: "/v2/../x"}, "Mesh-Path: '/v2/../x': a segment", id="dots"),
        pytest.param({wire.PATH: "/v2/a%2fb"}, "holds a slash", id="hidden slash"),
        pytest.param({wire.HTTP: "{}"}, "Mesh-Http: '{}': expected a JSON list", id="no list"),
        pytest.param({wire.HTTP: "[[1, 2]]"}, "pairs of texts", id="no texts"),
        pytest.param({wire.HTTP: "x" * 20_000}, "20000 characters", id="too much"),
    ],
)
def test_what_cannot_be_right_is_named(headers, named):
    """Header, value and rule."""
    assert named in fault(ID | headers)


def read(headers, lane):
    message = type("M", (), {"subject": "s", "reply": ACK.replace("interactive", lane)})()
    message.data, message.headers = b"{}", headers
    delivery = read_delivery(message)
    clock = BrokerClock()
    work = decode(
        delivery, number=1, address=ADDRESS, default_timeout_s=5.0, clock=clock, now_s=100.0
    )
    return delivery, work


@pytest.mark.parametrize("lane", ["queued", "background"])
def test_a_request_without_a_timeout_waits_an_hour(lane):
    """The deployment's own limit is about its run."""
    _, work = read(ID, lane)

    assert isinstance(work, Work)
    assert work.deadline_s == 100.0 + 3600


@pytest.mark.parametrize("lane", ["interactive", "queued"])
def test_an_endless_number_is_no_timeout(lane):
    """Nor does it bring the worker down."""
    delivery, work = read(ID | {wire.TIMEOUT_MS: "9" * 5000}, lane)

    assert "not a whole number" in work.reason
    assert malformed_work(delivery, 0.0).request_id == "r1"
