import json
import re

import pytest

from gateway import call as calls
from gateway.exchange import Exchange
from gateway.meters import Meters
from gateway.routes import Mirror, Route, Target
from mesh.errors import NotFoundError, NoWorkerError
from mesh.records import DeploymentRecord
from mesh.routing import Split
from mesh.spec.deployment import DeploymentSpec, MeshOptions


def _target(name: str = "blue", **options) -> Target:
    spec = DeploymentSpec(name=name, endpoint_name="iris", mesh=MeshOptions(**options))
    return Target("iris", name, DeploymentRecord(spec=spec, generation=1), "gw", Meters())


def _route(weights: dict[str, int]) -> Route:
    route = Route("iris")
    route.targets = {name: _target(name) for name in ("blue", "green")}
    route.split = Split(weights, 0) if weights else None
    return route


def _exchange(method: bytes = b"POST", query: bytes = b"", **headers: bytes) -> Exchange:
    exchange = Exchange(None, None, 0.0)
    exchange.route = _route({"blue": 100})
    exchange.method, exchange.url = method, exchange.route.path + query
    exchange.headers = {name.replace("_", "-").encode(): text for name, text in headers.items()}
    exchange.header_list = list(exchange.headers.items())
    return exchange


def _fields(exchange: Exchange, target: Target) -> dict[str, str]:
    call = calls.Call(exchange, Meters(), None)
    call.aim(target, None)
    return dict(line.split(": ", 1) for line in call.fields("mesh.reply.x").splitlines())


def test_plain_request_has_few_fields():
    """A feature that is not used adds no header to the message."""
    fields = _fields(_exchange(content_type=b"application/json"), _target())

    assert set(fields) == {
        *("Mesh-Request-Id", "Nats-Msg-Id", "Mesh-Reply", "Mesh-Timeout-Ms", "Nats-TTL"),
        "Content-Type",
    }
    assert fields["Mesh-Request-Id"] == fields["Nats-Msg-Id"]
    assert (fields["Mesh-Timeout-Ms"], fields["Nats-TTL"]) == ("5000", "5s")


def test_shorter_deadline_is_passed_on():
    """A caller's own deadline bounds the message's life too, at least a second."""
    fields = _fields(_exchange(x_ms_request_timeout_ms=b"300"), _target())

    assert (fields["Mesh-Timeout-Ms"], fields["Nats-TTL"]) == ("300", "1s")


def test_method_and_query_are_passed_on():
    """The model sees the method and the query, but not how it was routed to."""
    fields = _fields(_exchange(b"GET", b"?a=1&b=2"), _target())

    assert (fields["Mesh-Method"], fields["Mesh-Path"]) == ("GET", "/score?a=1&b=2")


def test_path_of_v2_needs_a_deployment_that_speaks_it():
    """The refusal comes before the path itself is looked at; a path of `/score` is no matter."""
    calls.check_path(_target(), "/score?x=/v2")

    with pytest.raises(NotFoundError, match="/endpoints/iris/score"):
        calls.check_path(_target(), "/v2/..")


@pytest.mark.parametrize("value", [b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", b"zz\xff"])
def test_traceparent_is_passed_on_if_it_is_one(value):
    """What is no trace context is dropped."""
    fields = _fields(_exchange(traceparent=value), _target())

    assert fields.get("traceparent") == (value.decode() if value.isascii() else None)


def test_headers_are_passed_on_only_to_those_who_read_them():
    """Credentials, hop-by-hop and our own headers never reach a script; others do, if it asks."""
    exchange = _exchange(
        authorization=b"Bearer k", cookie=b"c", connection=b"close", mesh_x=b"1", x_tag=b"t\xe9"
    )

    assert "Mesh-Http" not in _fields(exchange, _target())
    assert _fields(exchange, _target(read_headers=True))["Mesh-Http"] == '[["x-tag", "t\\u00e9"]]'


def test_headers_passed_on_are_bounded():
    """At most 16 KiB of headers travel with a message."""
    pairs = [(b"x-%d" % number, b"y" * 1000) for number in range(50)]

    text = calls.caller_headers(pairs)

    assert 15_000 < len(text) <= 16 * 1024


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param(b"abc-DEF_123", "abc-DEF_123", id="valid"),
        pytest.param(b"x" * 50, "x" * 40, id="too long"),
        pytest.param(b"a b", "", id="space"),
        pytest.param(b"a\xff", "", id="not ascii"),
        pytest.param(b"", "", id="empty"),
    ],
)
def test_client_request_id_is_checked_and_cut(sent, kept):
    """Letters, digits, dash and underscore, at most 40 of them; anything else is dropped."""
    assert calls.client_id({calls.CLIENT_ID: sent}) == kept


def test_request_ids_are_guids_and_differ():
    """Each request gets a fresh id in the form of a version 4 GUID."""
    ids = {calls.new_request_id() for _ in range(100)}

    assert len(ids) == 100
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) for text in ids)


def test_named_deployment_wins():
    """The header reaches a deployment without traffic, and is never mirrored."""
    route = _route({"blue": 100})
    route.mirror = Mirror(route.targets["green"], Split({"mirror": 100}, 0))

    target, mirror = calls.choose(route, {calls.DEPLOYMENT: b"green"})

    assert (target.deployment, mirror) == ("green", None)


@pytest.mark.parametrize("name", [b"red", b"", b"\xff"])
def test_unknown_named_deployment_is_not_found(name):
    """A name nobody has is the caller's mistake, not a reason to pick another."""
    with pytest.raises(NotFoundError):
        calls.choose(_route({"blue": 100}), {calls.DEPLOYMENT: name})


def test_endpoint_without_traffic_is_not_found():
    """With all weights at zero only named requests are served."""
    with pytest.raises(NotFoundError):
        calls.choose(_route({}), {})


def test_routing_key_sticks():
    """The same key always reaches the same deployment."""
    route = _route({"blue": 50, "green": 50})

    names = {calls.choose(route, {calls.ROUTING_KEY: b"u1"})[0].deployment for _ in range(20)}

    assert len(names) == 1


def test_mirror_takes_its_share():
    """Exactly the mirror's percentage of a period is copied."""
    route = _route({"blue": 100})
    route.mirror = Mirror(route.targets["green"], Split({"mirror": 20, "": 80}, 0.3))

    copied = [calls.choose(route, {})[1] is not None for _ in range(100)]

    assert sum(copied) == 20


def test_failed_deployment_is_refused_while_the_word_is_fresh():
    """What has failed and has nobody ready is refused; old news counts for nothing."""
    target = _target()
    target.failed, target.failed_until_s = "init() raised", 10.0

    with pytest.raises(NoWorkerError, match="init"):
        calls.check_alive(target, 9.0)
    calls.check_alive(target, 11.0)


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, None),
        ({"inputs": "tensors"}, [["inference-header-content-length", "7"]]),
        (
            {"inputs": "tensors", "read_headers": True},
            [["inference-header-content-length", "7"], ["a", "b"]],
        ),
    ],
)
def test_what_a_tensor_body_needs_is_sent_along(options, sent):
    """Whether headers are read or not, and first: they must not be cut off by others."""
    exchange = _exchange(a=b"b", inference_header_content_length=b"7")

    fields = _fields(exchange, _target(**options))

    assert json.loads(fields.get("Mesh-Http", "null")) == sent


def test_plain_tensor_body_needs_no_field():
    """JSON alone says all of itself."""
    assert "Mesh-Http" not in _fields(_exchange(a=b"b"), _target(inputs="tensors"))


def test_request_with_a_key_asks_for_its_result_to_be_kept():
    """Each try has a message id of its own; the request's id stays."""
    call = calls.KeyedCall(_exchange(), Meters(), None)
    call.aim(_target(), None)
    call.seq_held = 7

    fields = dict(line.split(": ", 1) for line in call.fields("mesh.reply.x").splitlines())

    assert fields["Mesh-Keep"] == "1"
    assert fields["Nats-Msg-Id"] == f"{call.request_id}.7"
    assert fields["Mesh-Request-Id"] == call.request_id
