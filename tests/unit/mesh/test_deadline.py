import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.deadline import Wheel, shorter_timeout_s

TICK_S = 0.01


def test_number_is_due_after_its_time_and_not_before():
    """A deadline is kept to within a tick, and never missed early."""
    wheel = Wheel(TICK_S)
    wheel.add(1, 5.0)

    assert wheel.expire(4.999)[0] == []
    assert wheel.expire(5.0 + TICK_S)[0] == [1]


def test_add_tells_when_to_call_only_if_sooner():
    """The timer is set anew only for a slot that comes before all others."""
    wheel = Wheel(TICK_S)

    assert wheel.add(1, 5.0) == pytest.approx(5.01)
    assert wheel.add(2, 6.0) is None
    assert wheel.add(3, 5.0) is None
    assert wheel.add(4, 1.0) == pytest.approx(1.01)


def test_expire_tells_what_is_next():
    """After each call the caller knows when to come back, and when not to."""
    wheel = Wheel(TICK_S)
    wheel.add(1, 1.0)
    wheel.add(2, 2.0)

    assert wheel.expire(1.5) == ([1], pytest.approx(2.01))
    assert wheel.expire(2.5) == ([2], None)


@given(st.lists(st.floats(0, 100), max_size=50), st.lists(st.floats(0, 120), max_size=20))
def test_every_number_falls_due_once(dues, nows):
    """Whatever the order of calls, nothing is lost, nothing comes twice, nothing comes early."""
    wheel = Wheel(TICK_S)
    for number, due_s in enumerate(dues):
        wheel.add(number, due_s)

    seen = []
    for now_s in [*sorted(nows), 200.0]:
        due, _ = wheel.expire(now_s)
        assert all(dues[number] <= now_s + 1e-6 for number in due)
        seen += due

    assert sorted(seen) == list(range(len(dues)))


@pytest.mark.parametrize(
    ("wish_ms", "wish_s", "expected"),
    [
        pytest.param("", "", 5.0, id="no wish"),
        pytest.param("250", "", 0.25, id="milliseconds"),
        pytest.param("", "2", 2.0, id="seconds"),
        pytest.param("250", "2", 0.25, id="milliseconds win"),
        pytest.param("90000", "", 5.0, id="longer than allowed"),
        pytest.param("soon", "", 5.0, id="no number"),
        pytest.param("soon", "1", 1.0, id="no number, then seconds"),
        pytest.param("-5", "", 5.0, id="negative"),
        pytest.param("0", "", 5.0, id="zero"),
        pytest.param("nan", "", 5.0, id="not a number"),
        pytest.param("inf", "", 5.0, id="infinite"),
    ],
)
def test_caller_may_only_shorten_the_deadline(wish_ms, wish_s, expected):
    """A wish that is longer, or no number, leaves the deployment's own timeout."""
    assert shorter_timeout_s(5.0, wish_ms, wish_s) == expected
