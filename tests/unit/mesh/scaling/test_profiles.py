"""Profiles over time: windows, cooldowns, bounds, and what is done without data."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st

from mesh.spec.profiles import FixedDate
from mesh.spec.schedules import Schedule
from tests.unit.mesh.scaling.fleet import Fleet, profile, rule, settings

OUT = rule("CpuUtilizationPercentage > 70 avg 5m", "out 1")
IN = rule("CpuUtilizationPercentage < 25 avg 5m", "in 1")
MINUTE_S = 60.0


def warm(scale, current, cpu=None, minutes=60):
    """A fleet that was looked at for long enough; with half of what scales out by default."""
    fleet = Fleet(scale, current)
    fleet.run(minutes, 40 * current if cpu is None else cpu)
    assert fleet.changes == []
    return fleet


def test_a_rule_fires_when_its_whole_window_says_so():
    """The mean of five minutes: a spike of two is none."""
    fleet = warm(settings(profile(OUT, IN)), 2)

    spike = fleet.run(2, 2 * 95)
    calm = fleet.run(5, 2 * 40)
    busy = fleet.run(5, 2 * 80)

    assert set(spike + calm) == {2}
    assert busy[-1] == 3


def test_the_reason_says_what_was_seen_and_what_the_rule_is():
    """Metric, value, condition, action."""
    fleet = warm(settings(profile(OUT, IN)), 2)

    reasons = []
    while not fleet.changes:
        reasons.append(fleet.look(cpu_percent=100.0).reason)

    assert reasons[-1] == "CpuUtilizationPercentage is 76 (> 70 avg 5m), out 1, need 3"


def test_a_scale_in_says_why_too():
    """The rule that fired, not that nobody asks."""
    fleet = warm(settings(profile(OUT, IN)), 3)

    reasons = []
    while not fleet.changes:
        reasons.append(fleet.look(cpu_percent=10.0).reason)

    assert reasons[-1] == "CpuUtilizationPercentage is 22 (< 25 avg 5m), in 1, need 2"


def test_no_action_in_the_cooldown_of_the_last_one():
    """Azure's example: out at 10:00 for 60 minutes, in at 13:00 for 40, out again at 13:40."""
    scale = settings(
        profile(
            rule("CpuUtilizationPercentage > 70 avg 1m", "out 1", cooldown="60m"),
            rule("CpuUtilizationPercentage < 40 avg 1m", "in 1", cooldown="40m"),
        )
    )
    fleet = warm(scale, 2, minutes=120)

    fleet.run(60, 2 * 80)
    fleet.run(60, 3 * 50)
    fleet.run(20, 3 * 30)
    fleet.run(60, 2 * 90)
    (out_s, more), (in_s, fewer), (back_s, again) = fleet.changes[:3]

    assert (more, fewer, again) == (3, 2, 3)
    assert in_s - out_s >= 60 * MINUTE_S
    assert 40 * MINUTE_S <= back_s - in_s <= 41 * MINUTE_S


def test_the_rules_are_evaluated_every_half_minute():
    """Azure's engine runs every 30 to 60 seconds."""
    scale = settings(profile(rule("CpuUtilizationPercentage > 70 avg 1m", "out 1", cooldown="1m")))
    fleet = warm(scale, 1)

    fleet.run(9, cpu_percent=100.0)
    times = [at for at, _ in fleet.changes]
    gaps = [after - before for before, after in pairwise(times)]

    assert gaps
    assert all(60 <= gap <= 90 for gap in gaps)


def test_bounds_hold_at_once_and_wait_for_no_cooldown():
    """A count out of the range is brought back at the next look."""
    scale = settings(profile(OUT, IN, least=3, most=6, default=3))

    assert Fleet(scale, 1).look().count == 3
    assert Fleet(scale, 8).look().count == 6


def test_bounds_start_no_cooldown():
    """No rule fired."""
    scale = settings(
        profile(rule("CpuUtilizationPercentage > 70 avg 1m", "out 1", cooldown="1d"), least=2)
    )
    fleet = Fleet(scale, 1)

    counts = fleet.run(3, 200)

    assert counts[0] == 2
    assert counts[-1] == 3


def test_metrics_that_are_never_there_lead_to_the_default():
    """After the first minute, once; at the default nothing more."""
    fleet = Fleet(settings(profile(OUT, IN, default=4)), 2)

    counts = fleet.run(60)

    assert set(counts[:30]) == {2}
    assert set(counts[60:]) == {4}


def test_metrics_that_go_keep_the_count():
    """Above the default, for ever."""
    fleet = warm(settings(profile(OUT, IN, default=2)), 5)

    assert set(fleet.run(120)) == {5}


def test_after_a_restart_nothing_goes_before_a_whole_window_and_cooldown():
    """What happened before is not known, so it is taken for the worst."""
    slow = rule("CpuUtilizationPercentage < 25 avg 5m", "in 1", cooldown="20m")
    fleet = Fleet(settings(profile(OUT, slow)), 4)

    fleet.run(40, 4)
    began_s = 6000.0

    assert fleet.changes[0][0] - began_s >= 20 * MINUTE_S


def test_after_a_restart_more_come_after_a_minute():
    """A whole minute above the threshold is enough."""
    fleet = Fleet(settings(profile(OUT, IN)), 2)

    fleet.run(2, 2 * 90)

    assert fleet.changes[0][1] == 3
    assert 60 <= fleet.changes[0][0] - 6000 <= 90


def test_a_scaler_that_was_away_begins_anew():
    """After minutes that nobody saw, the old ones say nothing."""
    fleet = warm(settings(profile(OUT, IN)), 2)
    fleet.run(2, 2 * 100)
    fleet.now_s += 600

    assert set(fleet.run(3, 2 * 40)) == {2}


def test_a_profile_without_rules_has_its_default():
    """As many as that at least; others may ask for more, to the max."""
    scale = settings(
        profile(least=1, most=6, default=3), target_messages_per_instance=1, max_instances=20
    )
    fleet = Fleet(scale, 1)

    assert fleet.look().count == 3
    assert fleet.look(depth=5).count == 5
    last = fleet.look(depth=50)

    assert (last.count, last.reason) == (
        6,
        "50 requests queued or running, 1 per instance, need 50, max of profile usual is 6",
    )


def test_what_others_hold_up_is_not_counted_for_the_rules():
    """A queue brings more; when it is gone the count is what the rules had, at once."""
    fleet = warm(settings(profile(OUT, IN), target_messages_per_instance=1), 2)

    many = fleet.look(depth=8, cpu_percent=40.0).count
    fleet.run(20, 8 * 15, depth=8)
    few = fleet.look(cpu_percent=15.0).count

    assert (many, few) == (8, 2)


def test_a_count_by_hand_is_where_the_rules_go_on():
    """As with Azure, until they say otherwise."""
    fleet = warm(settings(profile(OUT, IN)), 2)
    fleet.current = 5
    fleet.look(paused=True, cpu_percent=40.0)

    assert set(fleet.run(10, 5 * 40)) == {5}


def test_the_profile_of_the_time_has_the_say():
    """Its bounds and its rules; the cooldown goes on across the change."""
    noon = datetime(2026, 12, 24, 12, tzinfo=ZoneInfo("America/Los_Angeles")).timestamp()
    event = profile(
        name="event",
        least=6,
        most=9,
        default=6,
        fixed_date=FixedDate(
            start="2026-12-24T13:00", end="2026-12-24T14:00", timezone="Pacific Standard Time"
        ),
    )
    fleet = Fleet(settings(profile(OUT, IN, most=4), event), 2, at_s=noon)

    before = set(fleet.run(60, 2 * 40))
    during = set(fleet.run(60, 6 * 40))
    after = fleet.run(1, 4 * 40)

    assert (before, during) == ({2}, {6})
    assert after[0] == 4


def status(fleet):
    """What is said of the profile now."""
    return fleet.autoscaler.profile(fleet.now_s)


def test_the_status_says_what_keeps_the_rules():
    """Nothing, metrics that cannot be read, a cooldown, or that it would flap."""
    plain = Fleet(settings(profile(OUT, IN)), 2)
    plain.look(cpu_percent=40.0)
    blind = Fleet(settings(profile(OUT, IN)), 2)
    blind.run(3)
    cooling = Fleet(settings(profile(OUT, IN)), 2)
    cooling.run(2, 2 * 90)
    narrow = rule("CpuUtilizationPercentage < 65 avg 5m", "in 1")
    flapping = Fleet(settings(profile(OUT, narrow)), 2)
    flapping.run(10, 2 * 60)

    usual = "usual, 1 to 10 instances"
    assert status(plain) == usual
    assert status(blind) == f"{usual}; CpuUtilizationPercentage cannot be read"
    assert status(cooling).startswith(f"{usual}; cooling down for 2")
    assert status(flapping) == (
        f"{usual}; CpuUtilizationPercentage is 60 (< 65 avg 5m), in 1, put off lest it flaps"
    )


def test_zero_is_a_count_like_others():
    """With a metric that can be read without instances, rules go to zero and back."""
    scale = settings(
        profile(
            rule("RequestsPerMinute < 1 avg 5m", "in 1", cooldown="1m"),
            rule("RequestsPerMinute >= 60 avg 1m", "out 50%", cooldown="1m"),
            least=0,
            default=0,
        )
    )
    fleet = Fleet(scale, 2)

    quiet = fleet.run(20, requests_per_s=0.0, cpu_percent=0.0)
    busy = fleet.run(4, requests_per_s=2.0)

    assert quiet[-1] == 0
    assert busy[-1] >= 1


loads = st.lists(st.floats(0, 1200), min_size=1, max_size=12)


@tries(deadline=None, max_examples=10)
@given(loads, st.integers(1, 12))
def test_never_outside_the_profile_and_never_in_a_cooldown(totals, current):
    """Whatever the load does: bounds hold, and five minutes lie between two actions."""
    fleet = Fleet(settings(profile(OUT, IN, least=2, most=9, default=3)), current)

    counts = [count for total in totals for count in fleet.run(4, total)]
    actions = [at for at, _ in fleet.changes if at > 6000.0]

    assert all(2 <= count <= 9 for count in counts)
    assert all(after - before >= 300 for before, after in pairwise(actions))


@tries(deadline=None, max_examples=10)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=20), st.integers(0, 20))
def test_the_profile_bounds_what_other_targets_ask_for(depths, current):
    """A queue and a schedule that want more, or nothing at all: the bounds hold at every look."""
    always = Schedule(start="* * * * *", end="0 0 1 1 *", instances=7)
    scale = settings(
        profile(OUT, IN, least=2, most=5, default=3),
        schedules=[always],
        target_messages_per_instance=2,
    )
    fleet = Fleet(scale, current)

    assert all(2 <= fleet.look(depth=depth).count <= 5 for depth in depths)


@tries(deadline=None, max_examples=10)
@given(st.floats(0, 900), st.integers(1, 10))
def test_a_steady_load_comes_to_rest(total, current):
    """The count goes one way until it fits, and then stays: it does not flap."""
    fleet = Fleet(settings(profile(OUT, IN)), current)

    counts = fleet.run(90, total)
    ways = {after > before for before, after in pairwise(counts) if after != before}

    assert len(ways) <= 1
    assert len(set(counts[-600:])) == 1


def test_a_reason_says_whose_bound_it_was():
    """The profile by its name."""
    few = Fleet(settings(profile(name="night", least=3, default=3)), 1).look()
    many = Fleet(settings(profile(OUT, name="night", most=6)), 8).look()

    assert few.reason == "profile night has no rules, its default, need 3"
    assert many.reason == "max of profile night is 6"
