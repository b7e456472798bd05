"""Which profile applies when: Azure's order, recurrences with and without an end, time zones."""

from datetime import datetime

import pytest

from mesh.scaling.timetable import Timetable
from mesh.spec.profiles import Capacity, FixedDate, Profile, Recurrence
from mesh.spec.zones import zone_of

CAPACITY = Capacity(least=1, most=2, default=1)
PACIFIC = "Pacific Standard Time"
BERLIN = "Europe/Berlin"


def profile(name, **when):
    return Profile(name=name, capacity=CAPACITY, **when)


def weekly(*days, **changes):
    return Recurrence(days=list(days), **changes)


def name_at(profiles, text, zone="UTC"):
    """The name of the profile at a local time."""
    at = datetime.fromisoformat(text).replace(tzinfo=zone_of(zone))
    found = Timetable(profiles).at(at.timestamp())
    return found.name if found is not None else None


EVENT = profile(
    "event",
    fixed_date=FixedDate(start="2026-12-26T00:00", end="2026-12-26T23:59", timezone=PACIFIC),
)
WEEKEND = profile("weekend", recurrence=weekly("sat", "sun", timezone=PACIFIC))
USUAL = profile("usual")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("2026-12-26T00:00", "event", id="its first moment, though it is a Saturday"),
        pytest.param("2026-12-26T23:58:59", "event", id="its last"),
        pytest.param("2026-12-26T23:59", "weekend", id="its end is not in it"),
        pytest.param("2026-12-27T12:00", "weekend", id="Sunday"),
        pytest.param("2026-12-27T00:00", "weekend", id="no gap at midnight"),
        pytest.param("2026-12-28T00:00", "usual", id="Monday"),
        pytest.param("2027-12-26T12:00", "weekend", id="a date comes once"),
    ],
)
def test_fixed_dates_come_before_recurrences_and_these_before_the_default(text, name):
    """The first that applies, in the zone that it names."""
    assert name_at([USUAL, WEEKEND, EVENT], text, PACIFIC) == name


def test_the_first_of_two_fixed_dates_wins():
    """In the order of the list."""
    date = FixedDate(start="2026-01-01T00:00", end="2026-01-02T00:00")
    both = [profile(name, fixed_date=date) for name in ("one", "two")]

    assert name_at([*both, USUAL], "2026-01-01T12:00") == "one"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2026-11-28T00:00", "weekday"),  # Saturday
        ("2026-11-28T00:01", "weekend"),
        ("2026-11-30T03:59", "weekend"),  # Monday
        ("2026-11-30T04:00", "weekday"),
        ("2026-12-04T23:59", "weekday"),  # Friday
    ],
)
def test_a_recurrence_of_hours_lasts_until_the_next_begins(text, name):
    """The doc's template: weekdays from Monday 04:00, the weekend from Saturday 00:01."""
    profiles = [
        profile("weekday", recurrence=weekly("Monday", hours=[4], minutes=[0])),
        profile("weekend", recurrence=weekly("Saturday", hours=[0], minutes=[1])),
    ]

    assert name_at(profiles, text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2026-11-26T05:59", "usual"),  # Thursday
        ("2026-11-26T06:00", "thursdays"),
        ("2026-11-26T22:49", "thursdays"),
        ("2026-11-26T22:50", "usual"),
        ("2026-11-27T12:00", "usual"),
    ],
)
def test_a_recurrence_of_start_and_end_lasts_from_one_to_the_other(text, name):
    """The doc's command: --recurrence week thu --start 06:00 --end 22:50."""
    recurrence = weekly("thu", start="06:00", end="22:50")

    assert name_at([profile("thursdays", recurrence=recurrence), USUAL], text) == name


def test_one_span_follows_the_other_without_the_default_in_between():
    """Where one ends and another begins, the other applies, whatever the order of the list."""
    early = profile("early", recurrence=weekly("mon", start="8:00", end="12:00"))
    late = profile("late", recurrence=weekly("mon", start="12:00", end="18:00"))

    for profiles in ([early, late, USUAL], [late, early, USUAL]):
        assert name_at(profiles, "2026-11-30T11:59") == "early"
        assert name_at(profiles, "2026-11-30T12:00") == "late"


def test_the_default_as_azure_writes_it_beside_a_recurrence():
    """The CLI's pair: a copy of the default that recurs at the end."""
    name = '{"name": "default", "for": "weekend"}'
    profiles = [
        profile("weekend", recurrence=weekly("sat", "sun", hours=[6], minutes=[0])),
        profile(name, recurrence=weekly("sat", "sun", hours=[19], minutes=[0])),
    ]

    assert name_at(profiles, "2026-11-28T12:00") == "weekend"
    assert name_at(profiles, "2026-11-28T20:00") == name
    assert name_at(profiles, "2026-12-02T12:00") == name


def test_no_profile_applies_before_there_is_one():
    """Without a default nothing is said."""
    assert name_at([EVENT], "2026-11-28T12:00") is None


@pytest.mark.parametrize(
    ("zone", "text", "name"),
    [
        pytest.param(BERLIN, "2026-03-29T05:59", "usual", id="05:59 on the day of the change"),
        pytest.param(BERLIN, "2026-03-29T06:00", "night", id="and 06:00, an hour earlier by UTC"),
        pytest.param(BERLIN, "2026-10-25T06:00", "night", id="an hour later by UTC"),
        pytest.param(BERLIN, "2026-10-25T05:59", "usual", id="not before"),
        pytest.param("UTC", "2026-03-29T04:00", "night", id="the same in UTC"),
        pytest.param("UTC", "2026-03-28T05:00", "night", id="the day before"),
        pytest.param("UTC", "2026-03-28T04:59", "usual", id="which has another offset"),
    ],
)
def test_times_are_local_on_either_side_of_a_clock_change(zone, text, name):
    """06:00 is 06:00, in summer and in winter."""
    days = weekly("sat", "sun", start="06:00", end="20:00", timezone=BERLIN)

    assert name_at([profile("night", recurrence=days), USUAL], text, zone) == name


def test_a_time_that_a_clock_change_leaves_out_is_as_much_later():
    """02:30 on the 29th of March in Berlin: 03:30 is what it would have been."""
    days = weekly("sun", start="02:30", end="05:00", timezone="W. Europe Standard Time")
    profiles = [profile("early", recurrence=days), USUAL]

    assert name_at(profiles, "2026-03-29T03:29", BERLIN) == "usual"
    assert name_at(profiles, "2026-03-29T03:30", BERLIN) == "early"
    assert name_at(profiles, "2026-03-29T05:00", BERLIN) == "usual"


def test_a_time_that_comes_twice_counts_once():
    """02:30 on the 25th of October in Berlin: the first one."""
    days = weekly("sun", start="02:30", end="05:00", timezone=BERLIN)
    timetable = Timetable([profile("early", recurrence=days), USUAL])
    first = datetime(2026, 10, 25, 0, 30, tzinfo=zone_of("UTC")).timestamp()

    names = [timetable.at(first + minutes * 60).name for minutes in (-1, 0, 40, 60, 209, 210)]

    assert names == ["usual", "early", "early", "early", "early", "usual"]
