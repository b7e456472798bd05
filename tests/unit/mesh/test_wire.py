"""Control messages on the wire."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh import wire
from mesh.wire import Cancel, Depth, WorkerHeartbeat


def test_a_message_comes_back_as_it_was():
    """Encode and decode are inverse."""
    depth = Depth(endpoint="iris", deployment="blue", lanes={"interactive": 3}, ready=2)

    assert wire.decode(wire.encode(depth), Depth) == depth


def test_a_message_of_another_kind_is_none():
    """Subjects can be published to by mistake."""
    assert wire.decode(wire.encode(Cancel(request_id="a")), Depth) is None


def test_unknown_fields_are_ignored():
    """Older programs read what newer ones say."""
    data = msgspec.msgpack.encode({"type": "cancel", "request_id": "a", "why": "later"})

    assert wire.decode(data, Cancel) == Cancel(request_id="a")


@given(st.binary(max_size=200))
def test_garbage_is_none(data):
    """Nothing that arrives may raise."""
    assert wire.decode(data, WorkerHeartbeat) is None


@pytest.mark.parametrize("missing", ["endpoint", "state"])
def test_a_missing_field_is_none(missing):
    """A heartbeat without its identity is no heartbeat."""
    fields = {
        "type": "workerheartbeat",
        "endpoint": "iris",
        "deployment": "blue",
        "instance": "i",
        "generation": 1,
        "state": "ready",
    }
    del fields[missing]

    assert wire.decode(msgspec.msgpack.encode(fields), WorkerHeartbeat) is None
