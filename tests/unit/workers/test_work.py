"""From a message to a request."""

from types import SimpleNamespace

import pytest

from mesh import wire
from mesh.clock import BrokerClock
from mesh.subjects import WorkerAddress
from workers.pull import read_delivery
from workers.work import Malformed, Work, begin_by_s, decode

ADDRESS = WorkerAddress("iris", "blue", "i1")
ACK = "$JS.ACK.WORK_iris_blue.interactive.2.17.9.1700000000000000000.5"


def read(headers: dict[str, str] | None, reply: str = ACK):
    message = SimpleNamespace(subject="s", reply=reply, data=b"{}", headers=headers)
    return decode(
        read_delivery(message),
        number=1,
        address=ADDRESS,
        default_timeout_s=5.0,
        clock=BrokerClock(),
        now_s=100.0,
    )


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(ACK, id="as one server sends it"),
        pytest.param(ACK.replace("$JS.ACK.", "$JS.ACK.hub.ACC."), id="with domain and account"),
    ],
)
def test_the_acknowledgement_subject_tells_everything(reply):
    """Lane, delivery count, sequence and backlog are read from its end."""
    message = SimpleNamespace(subject="s", reply=reply, data=b"", headers=None)

    delivery = read_delivery(message)

    assert (delivery.lane, delivery.delivered, delivery.seq, delivery.pending) == (
        *("interactive", 2, 17),
        5,
    )


def test_a_plain_message_is_a_request_with_the_deployments_timeout():
    """Any NATS client can produce: no header is required."""
    work = read(None)

    assert work.deadline_s == 105.0
    assert work.reply == ""


def test_the_callers_timeout_counts_from_the_brokers_timestamp():
    """`Mesh-Timeout-Ms` is relative, so that no host's clock is trusted."""
    assert read({wire.TIMEOUT_MS: "1500"}).deadline_s == 101.5


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        pytest.param({wire.TIMEOUT_MS: "soon"}, "'soon'", id="timeout that is no number"),
        pytest.param({wire.TIMEOUT_MS: "-5"}, "'-5'", id="negative timeout"),
        pytest.param({wire.REPLY: "$JS.API.STREAM.DELETE.X"}, "STREAM.DELETE", id="foreign reply"),
        pytest.param({wire.REPLY: "mesh.reply.iris.green.g.1"}, "green", id="other deployment"),
        pytest.param({wire.STATUS: "200"}, "an answer", id="an answer"),
    ],
)
def test_what_breaks_the_protocol_is_malformed_and_says_why(headers, named):
    """It names the header and the value, and is never run."""
    work = read(headers)

    assert isinstance(work, Malformed)
    assert named in work.reason


@pytest.mark.parametrize(("mean_run_s", "begin_by"), [(0.0, 5.0), (2.0, 2.5), (4.0, 5.0)])
def test_what_cannot_end_in_time_is_not_begun(mean_run_s, begin_by):
    """With a margin; but for one that could never have, whose only chance is to be tried."""
    work = read({wire.TIMEOUT_MS: "5000"})
    assert isinstance(work, Work)

    assert begin_by_s(work, mean_run_s) - work.stamped_s == pytest.approx(begin_by)
