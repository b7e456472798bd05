"""When schedules apply, and what they ask for."""

from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.observation import Observation
from mesh.scaling.schedules import Schedules, is_present
from mesh.spec.scale import ScaleSettings
from mesh.spec.schedules import Schedule
from mesh.spec.zones import zone_of

BERLIN = "Europe/Berlin"
OFFICE = Schedule(
    name="office", start="0 8 * * 1-5", end="0 18 * * 1-5", timezone=BERLIN, instances=5
)
LUNCH = Schedule(start="30 11 * * *", end="30 13 * * *", timezone=BERLIN, instances=8)


def unix(text, zone=BERLIN):
    """A local time as a number."""
    return datetime.fromisoformat(text).replace(tzinfo=zone_of(zone)).timestamp()


def asked(text, *schedules):
    """What is asked for at a local time of Berlin, and why."""
    seen = Observation(current=1, at_s=unix(text))
    return [(one.count, one.why) for one in Schedules(schedules).ask(seen, 0.0)]


@pytest.mark.parametrize(
    ("text", "present"),
    [
        ("2026-11-26T07:59:59", False),  # Thursday
        ("2026-11-26T08:00:00", True),
        ("2026-11-26T17:59:59", True),
        ("2026-11-26T18:00:00", False),
        ("2026-11-28T12:00:00", False),  # Saturday
        ("2026-07-01T08:00:00", True),  # in summer
    ],
)
def test_a_schedule_lasts_from_its_start_to_its_end(text, present):
    """The start is in it, the end is not; both by the clock of its zone."""
    assert bool(asked(text, OFFICE)) is present


def test_a_start_that_comes_again_before_the_end_changes_nothing():
    """Every minute a start, one end a day."""
    often = Schedule(start="* 8-20 * * *", end="0 12 * * *", instances=2)

    assert is_present(often, unix("2026-11-26T11:59", "UTC"))
    assert not is_present(often, unix("2026-11-26T12:00", "UTC"))
    assert is_present(often, unix("2026-11-26T12:01", "UTC"))


def test_a_schedule_may_span_midnight():
    """The end is the next one, not that of the same day."""
    night = Schedule(start="0 22 * * *", end="0 6 * * *", instances=1)

    assert is_present(night, unix("2026-11-26T23:00", "UTC"))
    assert is_present(night, unix("2026-11-27T05:59", "UTC"))
    assert not is_present(night, unix("2026-11-27T06:00", "UTC"))


def test_the_largest_of_several_counts():
    """And gives its name, or its times where it has none."""
    assert asked("2026-11-26T10:00", OFFICE, LUNCH) == [(5, "schedule office,")]
    assert asked("2026-11-26T12:00", OFFICE, LUNCH) == [(8, "schedule 30 11 * * * to 30 13 * * *,")]
    assert asked("2026-11-28T20:00", OFFICE, LUNCH) == []


def test_a_schedule_is_a_floor_within_the_bounds():
    """Others may ask for more; when it ends nothing holds its count."""
    scale = ScaleSettings(
        type="target_utilization",
        max_instances=9,
        schedules=[OFFICE],
        target_messages_per_instance=1,
        scale_in_delay_s=0.0,
    )
    autoscaler = Autoscaler(scale)

    def count(text, depth, now_s):
        seen = Observation(current=5, ready=5, depth=depth, at_s=unix(text))
        return autoscaler.decide(seen, now_s).count

    quiet = [count("2026-11-26T17:59:58", 0, now_s) for now_s in (1.0, 2.0)][-1]
    busy = count("2026-11-26T17:59:59", 7, 3.0)
    after = count("2026-11-26T18:00:00", 0, 4.0)

    assert (quiet, busy, after) == (5, 7, 1)


def test_alone_it_brings_no_target_of_utilization():
    """Only what is asked for: a queue wakes one instance and no more."""
    scale = ScaleSettings(type="target_utilization", schedules=[OFFICE])

    assert scale.utilization_percentage is None


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        pytest.param("2026-03-28", "01:30", "02:59", id="the day before"),
        pytest.param("2026-03-29", "01:00", "01:59", id="02:30 is left out: 03:00 at once"),
        pytest.param("2026-03-30", "00:30", "01:59", id="the day after, an hour earlier by UTC"),
        pytest.param(
            "2026-10-25", "00:30", "02:59", id="02:30 comes twice: the first, an hour more"
        ),
    ],
)
def test_clock_changes(day, first, last):
    """From 02:30 to 04:00 in Berlin, in minutes of UTC."""
    early = Schedule(start="30 2 * * *", end="0 4 * * *", timezone=BERLIN, instances=1)
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    minutes = [midnight + timedelta(minutes=minute) for minute in range(-60, 240)]
    present = [at for at in minutes if is_present(early, at.timestamp())]

    assert (f"{present[0]:%H:%M}", f"{present[-1]:%H:%M}") == (first, last)


crons = st.builds(
    lambda minute, hour, days: f"{minute} {hour} * * {days}",
    st.sampled_from(["0", "15", "30", "59", "*/20"]),
    st.sampled_from(["0", "1", "2", "3", "23", "*/3", "*"]),
    st.sampled_from(["*", "0", "6", "1-5"]),
)
changes = st.sampled_from(["2026-03-28T12:00", "2026-10-24T12:00", "2026-06-01T00:00"])


@settings(deadline=None, max_examples=40)
@given(crons, crons, st.sampled_from([BERLIN, "UTC", "America/New_York"]), changes)
def test_it_is_what_going_forward_shows(start, end, zone, text):
    """At every moment as if each start and each end of the last ten days had been watched."""
    schedule = Schedule(start=start, end=end, timezone=zone, instances=1)
    begin = datetime.fromisoformat(text).replace(tzinfo=zone_of(zone))
    history = sorted(
        (found.timestamp(), is_start)
        for cron, is_start in ((start, True), (end, False))
        for found in forward(cron, begin - timedelta(days=10), begin + timedelta(days=2))
    )

    for minute in range(0, 24 * 60, 7):
        at_s = begin.timestamp() + minute * 60
        last = {is_start: at for at, is_start in history if at <= at_s}
        expected = last.get(True, 0) > last.get(False, 0)
        assert is_present(schedule, at_s) is expected, datetime.fromtimestamp(at_s, zone_of(zone))


def forward(cron, begin, end):
    """Every time a cron expression is met."""
    for found in CronSim(cron, begin):
        if found > end:
            return
        yield found
