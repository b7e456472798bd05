"""What heartbeats and the launcher tell together."""

import pytest

from mesh.figures import ServiceTime
from mesh.subjects import WorkerAddress
from mesh.wire import WorkerHeartbeat
from scaler.fleet import FORGET_S, FRESH_S, WARM_S, Fleet, combined
from scaler.launchers import Running

ADDRESS = WorkerAddress("iris", "blue", "i1")


def beat(state="ready", **changes):
    return WorkerHeartbeat(**ADDRESS._asdict() | changes, generation=1, state=state)


def running(**changes):
    return Running(address=ADDRESS, generation=1, pid=1, started_s=100.0, **changes)


def test_news_is_a_new_instance_or_another_state():
    """Only a change is news: the loop is not woken by each heartbeat."""
    fleet = Fleet()

    news = [fleet.hear(beat(state), 100.0) for state in ("starting", "starting", "ready", "ready")]

    assert news == [True, False, True, False]


@pytest.mark.parametrize(
    ("now_s", "phase"),
    [(103.0, "ready"), (103.1, "silent"), (133.0, "silent")],
)
def test_overdue_heartbeat_is_silence(now_s, phase):
    """An instance is ready as long as it says so every three seconds."""
    fleet = Fleet()
    fleet.hear(beat(), 100.0)

    assert fleet.instance(running(), now_s).phase == phase


def test_process_that_never_spoke_starts_and_then_is_silent():
    """A process has three seconds for its first word."""
    fleet = Fleet()

    assert fleet.instance(running(), 103.0).phase == "starting"
    assert fleet.instance(running(), 104.0).phase == "silent"
    assert fleet.instance(running(), 104.0).for_s == 4.0


def test_silence_is_counted_from_our_return():
    """While we were away nobody could be heard."""
    fleet = Fleet()
    fleet.hear(beat(), 100.0)

    fleet.note_connected(200.0)

    assert fleet.instance(running(), 203.0).phase == "ready"
    assert fleet.fresh("iris", "blue", 203.0)
    assert fleet.instance(running(), 204.0).for_s == 4.0


def test_asked_to_drain_is_draining_whatever_it_says():
    """What we asked for counts more than the last heartbeat."""
    fleet = Fleet()
    fleet.hear(beat(), 100.0)

    seen = fleet.instance(running(draining_since_s=100.5), 101.0)

    assert (seen.phase, seen.for_s) == ("draining", 0.5)


def test_long_silent_instances_are_forgotten():
    """Memory does not grow with instances that are gone."""
    fleet = Fleet()
    fleet.hear(beat(), 100.0)

    fleet.expire(100.0 + FORGET_S + 1)

    assert repr(fleet) == "<Fleet instances=0>"


def test_service_times_are_combined_by_answers():
    """The mean is weighted, the peak is the highest, the silent do not count."""
    times = [
        ServiceTime(mean_s=0.1, peak_s=0.5, answered=1),
        ServiceTime(mean_s=0.2, peak_s=0.3, answered=3),
        ServiceTime(),
    ]

    both = combined(beat(service=time) for time in times)

    assert both.mean_s == pytest.approx(0.175)
    assert (both.peak_s, both.answered) == (0.5, 4)
    assert combined([]) == ServiceTime()


def test_cpu_is_the_mean_of_those_that_have_worked_for_a_while():
    """Of an instance that has just become ready the figures are of its start."""
    fleet = Fleet()
    for second in range(int(WARM_S) + 2):
        fleet.hear(beat(cpu_percent=40.0), 100.0 + second)
    told_s = 100.0 + WARM_S + 1
    fresh = beat(cpu_percent=400.0, instance="i2")
    fleet.hear(fresh, told_s)

    assert fleet.cpu_percent("iris", "blue", told_s) == 40.0
    assert fleet.cpu_percent("iris", "green", told_s) is None
    assert fleet.cpu_percent("iris", "blue", told_s + FRESH_S + 0.1) is None
