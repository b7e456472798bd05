"""What a worker counts of the requests it has ended."""

import pytest

from tests.unit.workers.test_desk import work
from workers.desk import Desk
from workers.tally import WorkerTally


def slot_s(first_end_s: float, second_begin_s: float, *, waits: bool, **more: int) -> float:
    """The time that a slot took of 20 ms for a second request, if the first one ended then."""
    desk, tally = Desk(slots=1), WorkerTally()
    first, second = work(1), work(2, **more)
    second.stamped_s = 0.0 if waits else second_begin_s
    desk.accept(first, 0.0)
    desk.start_next(0.0)
    desk.finish(1, first_end_s)
    desk.accept(second, second_begin_s)
    desk.start_next(second_begin_s) or desk.start_suspect(second_begin_s)
    tally.observe(second, 200, 0.02, second_begin_s + 0.02)
    return tally.service.slot_s


@pytest.mark.parametrize(
    ("gap_s", "expected"),
    [
        pytest.param(0.0, 0.02, id="it follows at once"),
        pytest.param(0.005, 0.025, id="the slot waited for it"),
        pytest.param(10.0, 0.04, id="a runner was away: as long again at most"),
    ],
)
def test_a_slot_that_waits_for_a_request_is_taken(gap_s, expected):
    """What is queued at the broker is on its way while a slot is free."""
    assert slot_s(1.0, 1.0 + gap_s, waits=True) == pytest.approx(expected)


def test_a_slot_that_nobody_waited_for_was_free():
    """A pause between requests says nothing about how long each takes."""
    assert slot_s(1.0, 11.0, waits=False) == pytest.approx(0.02)


def test_what_was_handed_out_before_says_nothing_about_the_way():
    """Another worker may have had it all the time."""
    assert slot_s(1.0, 1.01, waits=True, attempt=2) == pytest.approx(0.02)
