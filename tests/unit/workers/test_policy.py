"""What to ask the broker for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.subjects import LANES, Lane
from workers.policy import SHARE_EVERY, Load, interactive_batch, lower_batch, prefetch

HOLD_S = 0.003


def credit(**lanes: int) -> dict[Lane, int]:
    return {lane: lanes.get(lane, 0) for lane in LANES}


@pytest.mark.parametrize(
    ("slots", "round_trip_s", "service_s", "expected"),
    [
        pytest.param(4, 0.0005, 0.0, 1, id="unknown service time: one"),
        pytest.param(4, 0.0005, 0.010, 1, id="slow model: one"),
        pytest.param(1, 0.0005, 0.0001, 5, id="one fast slot: round trip over service time"),
        pytest.param(64, 0.0005, 0.0001, 64, id="many fast slots: at most 64"),
    ],
)
def test_prefetch_hides_the_round_trip_and_no_more(slots, round_trip_s, service_s, expected):
    """ceil(slots x round trip / service time), at least 1 and at most 64."""
    assert prefetch(slots, round_trip_s, service_s) == expected


@given(
    slots=st.integers(1, 1000),
    round_trip_s=st.floats(1e-6, 1),
    service_s=st.floats(0, 100),
)
def test_prefetch_stays_within_its_bounds(slots, round_trip_s, service_s):
    """Whatever is measured, between 1 and 64."""
    assert 1 <= prefetch(slots, round_trip_s, service_s) <= 64


@pytest.mark.parametrize(
    ("free", "ahead", "out", "expected"),
    [
        pytest.param(4, 1, 0, 5, id="nothing out: all of it"),
        pytest.param(4, 1, 3, 0, id="more than half is out: wait"),
        pytest.param(4, 1, 2, 3, id="half is used up: fill"),
        pytest.param(0, 1, 0, 1, id="all slots busy: what hides the round trip"),
        pytest.param(-3, 2, 0, 0, id="more waits than hides the round trip: nothing"),
    ],
)
def test_interactive_credit_is_refilled_at_half(free, ahead, out, expected):
    """The standing credit is free slots plus prefetch."""
    assert interactive_batch(free, ahead, out) == expected


def test_a_lower_lane_waits_until_a_slot_has_been_spare():
    """A slot that has just become free may be needed by a message on the wire."""
    load = Load(slots=2, busy=1, spare_since_s=10.0, interactive_at_s=9.9)

    assert lower_batch("queued", load, credit(), 10.001, HOLD_S) == 0
    assert lower_batch("queued", load, credit(), 10.004, HOLD_S) == 1


def test_a_lower_lane_gets_one_credit_never_two():
    """While its credit is out it gets no more."""
    load = Load(slots=4)

    assert lower_batch("queued", load, credit(queued=1), 10.0, HOLD_S) == 0


def test_shadow_waits_for_every_lane_above():
    """Shadows run only when the lanes above have been asked and brought nothing."""
    load = Load(slots=4)

    assert lower_batch("shadow", load, credit(queued=1), 10.0, HOLD_S) == 0
    assert lower_batch("shadow", load, credit(queued=1, background=1), 10.0, HOLD_S) > 0


def test_queued_gets_its_share_under_full_load():
    """One start in ten is for the queued lane, though no slot is ever spare."""
    load = Load(slots=2, busy=2, interactive_at_s=10.0, since_share=10)

    assert lower_batch("queued", load, credit(), 10.0, HOLD_S) == 1
    assert lower_batch("background", load, credit(queued=1), 10.0, HOLD_S) == 0


def test_a_quiet_instance_fills_its_slots_from_a_lower_lane():
    """With no interactive traffic there is nothing to keep slots for."""
    load = Load(slots=8, spare_since_s=5.0, interactive_at_s=1.0)

    assert lower_batch("queued", load, credit(), 10.0, HOLD_S) == 8


def test_a_share_that_is_in_hand_is_not_asked_for_twice():
    """One in ten, not one in ten and those fetched meanwhile."""
    load = Load(slots=2, since_share=SHARE_EVERY, queued=1)

    assert lower_batch("queued", load, dict.fromkeys(LANES, 0), 100.0, 0.01) == 0


def test_a_lane_that_was_just_asked_may_still_bring_something():
    """The lane below it waits until it is known to be empty."""
    credit = dict.fromkeys(LANES, 0) | {"queued": 1}
    load = Load(slots=2, asked_at_s={"queued": 100.0})

    assert lower_batch("background", load, credit, 100.001, 0.01) == 0
    assert lower_batch("background", load, credit, 100.02, 0.01) == 1
