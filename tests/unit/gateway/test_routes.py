import hashlib

import msgspec
import pytest

from gateway.meters import MeterBook
from gateway.routes import RouteTable
from mesh import wire
from mesh.records import AuthRecord, DeploymentRecord, EndpointRecord
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.endpoint import EndpointSpec


class Table:
    """A route table and short words to change it."""

    def __init__(self):
        self.routes = RouteTable("gw", MeterBook().of, "models.example", phase=lambda: 0.0)

    def endpoint(self, name="iris", *, deleting=False, **fields):
        record = EndpointRecord(spec=EndpointSpec(name=name, **fields), deleting=deleting)
        self.routes.apply(f"endpoint.{name}", msgspec.json.encode(record))

    def deployment(self, name, *, deleting=False):
        spec = DeploymentSpec(name=name, endpoint_name="iris")
        record = DeploymentRecord(spec=spec, generation=1, deleting=deleting)
        self.routes.apply(f"deployment.iris.{name}", msgspec.json.encode(record))

    def keys(self, *keys):
        digests = [hashlib.sha256(key).hexdigest() for key in keys]
        self.routes.apply("auth.iris", msgspec.json.encode(AuthRecord(digests=digests)))

    @property
    def route(self):
        return self.routes.by_path.get(b"/endpoints/iris/score")


@pytest.fixture
def table():
    return Table()


@pytest.mark.parametrize("order", ["edk", "dke", "ked"])
def test_records_may_come_in_any_order(table, order):
    """Whatever order a bucket is listed in, the route is the same."""
    steps = {
        "e": lambda: table.endpoint(traffic={"blue": 100}),
        "d": lambda: table.deployment("blue"),
        "k": lambda: table.keys(b"k"),
    }
    for step in order:
        steps[step]()

    assert table.route.split.pick() == "blue"
    assert table.route.digests == (hashlib.sha256(b"k").digest(),)


def test_endpoint_without_deployments_has_no_split(table):
    """Traffic to a deployment that is not there goes nowhere."""
    table.endpoint(traffic={"blue": 100})

    assert table.route.split is None


def test_deleted_endpoint_is_gone(table):
    """A deleted key, or a record that says it is being deleted, ends the route."""
    table.endpoint()
    table.endpoint(deleting=True)
    assert table.route is None

    table.endpoint()
    table.routes.apply("endpoint.iris", None)
    assert (table.routes.by_path, table.routes.by_name) == ({}, {})


def test_deployment_being_deleted_gets_nothing(table):
    """It is neither picked nor found by name."""
    table.endpoint(traffic={"blue": 90, "green": 10})
    table.deployment("blue")
    table.deployment("green", deleting=True)

    assert set(table.route.targets) == {"blue"}
    assert {table.route.split.pick() for _ in range(20)} == {"blue"}


def test_unchanged_split_goes_on_where_it_is(table):
    """A new key or description does not start the period anew, which would bias it."""
    table.endpoint(traffic={"blue": 50, "green": 50})
    table.deployment("blue")
    table.deployment("green")
    first = table.route.split.pick()

    table.keys(b"new")

    assert table.route.split.pick() != first


def test_changed_split_is_used_at_once(table):
    """The next pick after a change follows the new weights."""
    table.endpoint(traffic={"blue": 100})
    table.deployment("blue")
    table.deployment("green")

    table.endpoint(traffic={"green": 100})

    assert table.route.split.pick() == "green"


def test_mirror_needs_its_deployment(table):
    """A mirror to a deployment that is not there copies nothing."""
    table.endpoint(traffic={"blue": 100}, mirror_traffic={"green": 10})
    table.deployment("blue")
    assert table.route.mirror is None

    table.deployment("green")
    assert table.route.mirror.target.deployment == "green"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        pytest.param(b"/endpoints/iris/score?verbose=1", b"any", id="query"),
        pytest.param(b"http://any/endpoints/iris/score", b"any", id="absolute"),
        pytest.param(b"/score", b"iris.models.example", id="host"),
        pytest.param(b"/endpoints/iris/v2", b"any", id="v2"),
        pytest.param(b"/endpoints/iris/v2/models/a/infer?b=c", b"any", id="below v2"),
        pytest.param(b"/v2/health/live", b"iris.models.example", id="v2 by host"),
        pytest.param(b"/score?a=b", b"IRIS.models.example:8080", id="host with port and query"),
        pytest.param(b"http://iris.models.example/score", b"other", id="absolute host"),
    ],
)
def test_other_forms_of_the_address_are_found(table, url, host):
    """A query, an absolute URL, and a host per endpoint all lead to the same route."""
    table.endpoint()

    assert table.routes.search(url, host) is table.route


@pytest.mark.parametrize(
    ("url", "host"),
    [
        pytest.param(b"/endpoints/iris/score/", b"", id="more path"),
        pytest.param(b"/endpoints/rose/score", b"", id="other name"),
        pytest.param(b"/endpoints/rose/v2", b"", id="other name with v2"),
        pytest.param(b"/endpoints/iris/v20", b"", id="nearly v2"),
        pytest.param(b"/endpoints//score", b"iris.models.example", id="no name"),
        pytest.param(b"/score", b"iris.elsewhere.example", id="other domain"),
        pytest.param(b"/score", b"", id="no host"),
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"http://", b"", id="no path"),
        pytest.param(b"*", b"iris.models.example", id="asterisk"),
    ],
)
def test_other_addresses_are_not(table, url, host):
    """What is no scoring address of a known endpoint is left to the application."""
    table.endpoint()

    assert table.routes.search(url, host) is None


@pytest.mark.parametrize("value", [b"", b"{}", b"nonsense", b'{"spec": {"name": "iris"}, "x": 1'])
def test_unreadable_record_is_as_good_as_none(table, value):
    """A record of another version does not bring the gateway down."""
    table.routes.apply("endpoint.iris", value)

    assert table.route is None


@pytest.mark.parametrize("key", ["generation.iris.blue.1", "model.x", "endpoint", "auth.a.b", ""])
def test_other_keys_are_ignored(table, key):
    """The bucket holds more than the gateway needs."""
    table.routes.apply(key, b"anything")

    assert table.routes.by_name == {}


def test_depth_marks_what_has_failed(table):
    """Failed with nobody ready is refused; one ready instance is enough to go on."""
    table.endpoint()
    table.deployment("blue")
    target = table.route.targets["blue"]

    table.routes.note_depth(_depth(failed="boom"), now_s=10.0)
    assert (target.failed, target.failed_until_s) == ("boom", 15.0)
    table.routes.note_depth(_depth(failed="boom", ready=1), now_s=11.0)
    assert target.failed == ""


def _depth(**fields):
    return wire.Depth(endpoint="iris", deployment="blue", lanes={}, **fields)


def test_failure_outlives_a_change_of_the_route(table):
    """A changed record does not make a failed deployment look alive."""
    table.endpoint()
    table.deployment("blue")
    table.routes.note_depth(_depth(failed="boom"), now_s=10.0)

    table.keys(b"k")

    assert table.route.targets["blue"].failed == "boom"
