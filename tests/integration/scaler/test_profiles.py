"""Deployments that follow a timetable or rules; the stubs never take a request off the queue."""

from datetime import UTC, datetime, timedelta

import pytest

from mesh import subjects
from mesh.scales import read_scale_changes
from mesh.spec.deployment import ScaleSettings
from mesh.spec.profiles import Capacity, FixedDate, Profile, Rule
from mesh.spec.schedules import Schedule
from tests.integration.scaler.conftest import deployment

pytestmark = pytest.mark.timeout(30)
WORK = subjects.work("iris", "blue", "interactive")
ALWAYS = Schedule(name="always", start="* * * * *", end="0 0 1 1 *", instances=2)


def scaled(**changes):
    known = {"type": "target_utilization", "max_instances": 3, "scale_in_delay_s": 0.0}
    return deployment(scale_settings=ScaleSettings(**known | changes))


def profile(name="usual", least=1, most=3, default=1, **changes):
    return Profile(name=name, capacity=Capacity(least=least, most=most, default=default), **changes)


def counts(wanted):
    """Whether so many instances are wanted, ready and all there is."""
    return lambda view: {view.instance_count, view.ready_instances, len(view.instances)} == {wanted}


async def told(rig):
    """The changes told so far: the count after, and why."""
    changes = await read_scale_changes(rig.bus, "iris", "blue", 50)
    return [(change.after, change.reason) for change in changes]


async def test_a_schedule_brings_instances_and_takes_them_away(rig):
    """While it is its time there are as many; without it as many as before."""
    await rig.endpoint()
    await rig.create(scaled(schedules=[ALWAYS]))
    await rig.until(counts(2))

    await rig.update(scaled(schedules=[]))
    view = await rig.until(counts(1))

    assert view.generation == 1
    assert (await told(rig))[0] == (2, "schedule always, need 2")


async def test_the_profile_of_the_day_has_the_bounds(rig):
    """A fixed date that is now comes before the default, and is told by its name."""
    today = datetime.now(UTC).replace(tzinfo=None)
    day = timedelta(days=1)
    fair = profile(
        "fair",
        least=2,
        most=2,
        default=2,
        fixed_date=FixedDate(start=(today - day).isoformat(), end=(today + day).isoformat()),
    )
    await rig.endpoint()

    await rig.create(scaled(profiles=[profile(), fair], target_messages_per_instance=1))
    await rig.until(counts(2))
    for _ in range(3):
        await rig.bus.request(WORK, b"{}")
    view = await rig.until(lambda view: view.queue["interactive"] == 3)

    assert view.instance_count == 2
    assert (view.scaling.min_instances, view.scaling.profile) == (2, "fair, 2 to 2 instances")
    assert await told(rig) == [(2, "profile fair has no rules, its default, need 2")]


@pytest.mark.heavy
@pytest.mark.timeout(200)
async def test_a_rule_acts_on_what_it_saw_for_a_minute(rig):
    """Three requests in the queue for a whole minute: one instance more."""
    rules = [
        Rule(condition="QueueDepth >= 3 avg 1m", scale="out 1", cooldown="1m"),
        Rule(condition="QueueDepth < 1 avg 1m", scale="in 1", cooldown="1m"),
    ]
    await rig.endpoint()
    await rig.create(scaled(profiles=[profile(rules=rules)]))
    await rig.settled()
    for _ in range(3):
        await rig.bus.request(WORK, b"{}")

    await rig.until(counts(2))
    (first,) = await told(rig)

    assert first == (2, "QueueDepth is 3 (>= 3 avg 1m), out 1, need 2")
