"""Reading a forecast."""

import pytest

from scaler.forecast.outlook import SLOT_S, Outlook

VIEW = Outlook(start_s=1000 * SLOT_S, rates=[1.0, 5.0, 2.0, 2.0, 9.0])


def at(slot):
    return (1000 + slot) * SLOT_S + 1


@pytest.mark.parametrize(
    ("first", "last", "rate"),
    [(0, 0, 5.0), (2, 2, 5.0), (3, 3, 9.0), (0, 4, 9.0), (4, 4, 9.0)],
)
def test_the_highest_rate_around_a_time_is_expected(first, last, rate):
    """The slots before and after included."""
    assert VIEW.rate(at(first), at(last)) == rate


@pytest.mark.parametrize(("first", "last"), [(-1, 0), (4, 5), (7, 9)])
def test_what_was_not_foreseen_is_not_known(first, last):
    """A forecast that is too old, or does not reach so far."""
    assert VIEW.rate(at(first), at(last)) is None
