"""Which requests are let in: forecasts case by case, and by property."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import Forecast, retry_after
from mesh.errors import CapacityError
from mesh.figures import ServiceTime
from mesh.wire import Depth

NOW_S = 100.0


def depth(waiting=0, *, ready=1, slots=4, slot_s=0.02, **more):
    service = ServiceTime(mean_s=slot_s, slot_s=slot_s, answered=9) if slot_s else ServiceTime()
    return Depth(
        endpoint="iris",
        deployment="blue",
        lanes={"interactive": waiting} | more.pop("lanes", {}),
        ready=ready,
        slots=slots if ready else 0,
        service=service,
        **more,
    )


def forecast(known=None, admission="deadline", since=0):
    made = Forecast("blue", admission)
    if known is not None:
        made.hear(known, NOW_S)
    made.since = since
    return made


def is_let_in(made, timeout_s=5.0, now_s=NOW_S):
    try:
        made.check(timeout_s, now_s)
    except CapacityError:
        return False
    return True


@pytest.mark.parametrize(
    ("known", "timeout_s", "expected"),
    [
        pytest.param(None, 0.01, True, id="nothing is known"),
        pytest.param(depth(0), 0.01, True, id="nobody waits"),
        pytest.param(depth(3), 0.01, True, id="a slot is free"),
        pytest.param(depth(880), 5.0, True, id="4.4 s of 5"),
        pytest.param(depth(1000), 5.0, False, id="5 s of 5"),
        pytest.param(depth(1000, slot_s=0.0), 5.0, True, id="it is not known how long each takes"),
        pytest.param(depth(880, lanes={"queued": 1}), 5.0, False, id="queued ones have a share"),
        pytest.param(depth(ready=0), 5.0, True, id="it is not known how long a start takes"),
        pytest.param(depth(ready=0, startup_s=3.0), 5.0, True, id="the start is awaited"),
        pytest.param(depth(ready=0, startup_s=9.0), 5.0, False, id="the start takes too long"),
    ],
)
def test_what_cannot_be_answered_in_time_is_refused(known, timeout_s, expected):
    """From the queue, the slots and the time that each takes one."""
    assert is_let_in(forecast(known), timeout_s) is expected


def test_a_slot_waits_for_a_process_that_is_free():
    """Four slots of one process: most of the time in a slot is spent waiting for it."""
    service = ServiceTime(mean_s=0.02, slot_s=0.08, answered=9)
    waiting = msgspec.structs.replace(depth(49), service=service)
    fits = msgspec.structs.replace(depth(40), service=service)

    assert not is_let_in(forecast(waiting), 1.0)
    assert is_let_in(forecast(fits), 1.0)


def test_what_was_let_in_since_is_counted_for_every_gateway():
    """The last word is up to a quarter of a second old: two gateways have let in 100 each."""
    known = depth(800, gateways=2)

    assert is_let_in(forecast(known, since=40))
    assert not is_let_in(forecast(known, since=100))


def test_what_has_ended_since_is_not_counted():
    """A hundred and fifty more were answered than let in."""
    known = depth(1000)

    assert not is_let_in(forecast(known))
    assert is_let_in(forecast(known, since=-150))
    assert forecast(depth(3), since=-100).ahead(NOW_S) == 0


def test_an_old_word_says_nothing():
    """A scaler that is away refuses nobody."""
    assert is_let_in(forecast(depth(10_000)), now_s=NOW_S + 6.0)


def test_who_is_refused_is_told_when_to_come_back():
    """1200 are 6 s of work; with 4.5 s that is 1.5 s too much."""
    with pytest.raises(CapacityError, match=r"would answer in 6\.\d s") as refused:
        forecast(depth(1200)).check(5.0, NOW_S)

    assert retry_after(refused.value.context["retry_after_s"]) == 2


@pytest.mark.parametrize(("seconds", "told"), [(0.2, 1), (1.0, 1), (1.1, 2), (None, 1), ("x", 1)])
def test_retry_after_is_whole_seconds(seconds, told):
    """One at least."""
    assert retry_after(seconds) == told


def test_azures_rule_counts_what_is_in_flight():
    """Twice what the instances run at once, whatever the deadline."""
    assert is_let_in(forecast(depth(7), "inflight"), 0.001)
    assert not is_let_in(forecast(depth(8), "inflight"), 1000.0)


def test_without_a_rule_all_are_let_in():
    """The lane's own limit stays."""
    assert is_let_in(forecast(depth(100_000), "none"), 0.001)


@given(
    waiting=st.integers(0, 5000),
    more=st.integers(0, 5000),
    slots=st.integers(1, 64),
    slot_s=st.floats(0.001, 2.0),
    timeout_s=st.floats(0.01, 100.0),
)
def test_a_longer_queue_lets_nobody_in_who_was_refused(waiting, more, slots, slot_s, timeout_s):
    """And it never gets easier to be told when."""
    shorter = forecast(depth(waiting, slots=slots, slot_s=slot_s))
    longer = forecast(depth(waiting + more, slots=slots, slot_s=slot_s))

    assert is_let_in(shorter, timeout_s) or not is_let_in(longer, timeout_s)
    assert (shorter.wait_s(NOW_S) or 0.0) <= (longer.wait_s(NOW_S) or 0.0)
