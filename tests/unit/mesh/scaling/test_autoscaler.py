"""How many instances a load needs, and why; case by case and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.observation import Observation
from mesh.spec.scale import ScaleSettings

STEP_S = 0.25
SCALE = ScaleSettings(
    type="target_utilization", min_instances=0, max_instances=4, scale_in_delay_s=5.0
)
IDLE = Observation(current=0)

depths = st.integers(0, 500)
scales = st.builds(
    ScaleSettings,
    type=st.just("target_utilization"),
    min_instances=st.integers(0, 5),
    max_instances=st.integers(5, 20),
    target_utilization_percentage=st.none() | st.integers(1, 100),
    target_wait_ms=st.none() | st.integers(1, 5000),
    target_messages_per_instance=st.none() | st.integers(1, 20),
    target_cpu_percentage=st.none() | st.integers(1, 400),
    target_memory_percentage=st.none() | st.integers(1, 100),
    target_gpu_percentage=st.none() | st.integers(1, 100),
    target_gpu_memory_percentage=st.none() | st.integers(1, 100),
    scale_in_delay_s=st.sampled_from([0.0, 1.0, 5.0]),
)
observations = st.builds(
    Observation,
    current=st.integers(0, 25),
    depth=st.none() | depths,
    shadows=st.integers(0, 50),
    active=st.booleans(),
    ready=st.integers(0, 25),
    slots=st.integers(1, 8),
    service_s=st.none() | st.floats(0.001, 10),
    cpu_percent=st.none() | st.floats(0, 800),
    memory_percent=st.none() | st.floats(0, 100),
    gpu_percent=st.none() | st.floats(0, 100),
    gpu_memory_percent=st.none() | st.floats(0, 100),
    proving=st.booleans(),
)


class Clock:
    """A deployment whose wish is always granted, looked at every quarter of a second."""

    def __init__(self, scale: ScaleSettings, current: int = 0) -> None:
        self.current = current
        self.now_s = 1000.0
        self.autoscaler = Autoscaler(scale)

    def look(self, depth: int | None, **changes):
        """Look once; every instance that is wanted is ready."""
        seen = Observation(current=self.current, depth=depth, **({"ready": self.current} | changes))
        decision = self.autoscaler.decide(seen, self.now_s)
        self.current = decision.count
        self.now_s += STEP_S
        return decision

    def looks(self, depths):
        return [self.look(depth).count for depth in depths]


@pytest.mark.parametrize(
    ("targets", "seen", "count"),
    [
        pytest.param({}, {"depth": 1}, 2, id="one of one slot is more than 70%"),
        pytest.param({}, {"depth": 7, "slots": 10}, 1, id="7 of 10 slots are 70%"),
        pytest.param({}, {"depth": 8, "slots": 10}, 2, id="8 of 10 slots are more"),
        pytest.param({"target_utilization_percentage": 100}, {"depth": 3}, 3, id="all slots"),
        pytest.param({"target_messages_per_instance": 4}, {"depth": 9}, 3, id="messages"),
        pytest.param({"target_wait_ms": 1000}, {"depth": 8}, 1, id="a wait nobody can estimate"),
        pytest.param(
            {"target_gpu_percentage": 50},
            {"depth": 1, "current": 2, "ready": 2, "gpu_percent": 75.0},
            3,
            id="gpu of all instances together",
        ),
        pytest.param(
            {"target_gpu_percentage": 50, "target_memory_percentage": 80},
            {"depth": 1, "current": 2, "ready": 2, "memory_percent": 20.0},
            2,
            id="what nobody tells is not zero",
        ),
        pytest.param(
            {"target_cpu_percentage": 50},
            {"depth": 1, "current": 2, "ready": 2, "cpu_percent": 75.0},
            3,
            id="cpu of all instances together",
        ),
        pytest.param(
            {"target_cpu_percentage": 50},
            {"depth": 1, "current": 2, "ready": 4, "cpu_percent": 40.0},
            2,
            id="two generations side by side are not twice the load",
        ),
        pytest.param(
            {"target_messages_per_instance": 9, "target_cpu_percentage": 50},
            {"depth": 20, "current": 1, "ready": 1, "cpu_percent": 10.0},
            3,
            id="the largest wins",
        ),
        pytest.param({}, {"depth": 0, "active": True}, 1, id="quick requests are seen as well"),
        pytest.param({}, {"depth": 0, "shadows": 50}, 1, id="shadows get one and no more"),
        pytest.param({}, {"depth": 0, "cpu_percent": 3.0, "ready": 1}, 0, id="idle"),
        pytest.param({}, {"depth": 100}, 4, id="at most max_instances"),
        pytest.param({"min_instances": 3}, {"depth": 1}, 3, id="at least min_instances"),
        pytest.param({}, {"depth": 0, "proving": True}, 1, id="a new generation shows itself"),
    ],
)
def test_what_each_target_asks_for(targets, seen, count):
    """The count is the least that keeps to every target that is set."""
    scale = replace(SCALE, **targets)

    decision = Autoscaler(scale).decide(replace(IDLE, **seen), 0.0)

    assert decision.count == count


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        pytest.param(
            {"depth": 2},
            "2 requests queued or running, 1 at once to 70%, need 3",
            id="out",
        ),
        pytest.param(
            {"depth": 9},
            "9 requests queued or running, 1 at once to 70%, need 13, max_instances is 4",
            id="out to the most",
        ),
        pytest.param({"depth": 0, "proving": True}, "a generation has to show that it starts"),
    ],
)
def test_more_instances_are_explained(seen, reason):
    """The reason names what was seen, the target and the bound."""
    assert Autoscaler(SCALE).decide(replace(IDLE, **seen), 0.0).reason == reason


def test_fewer_instances_are_wanted_only_after_the_delay():
    """The largest wish of the last seconds counts; zero comes last and is explained."""
    clock = Clock(SCALE)

    busy = clock.looks([3] * 4)
    idle = clock.looks([0] * 20)
    last = clock.look(0)

    assert set(busy) == {4}
    assert set(idle) == {4}
    assert (last.count, last.reason) == (0, "no requests for 5 s")


def test_utilization_is_looked_at_in_its_interval():
    """As often as Azure's autoscaler attempts to scale."""
    clock = Clock(replace(SCALE, polling_interval=2))

    counts = clock.looks([0, 3, 3, 3, 3, 3, 3, 3, 3])

    assert counts == [0, 1, 1, 1, 1, 1, 1, 1, 4]


def test_first_request_wakes_at_once():
    """Nothing that happened before delays the first instance, the polling interval neither."""
    clock = Clock(SCALE)
    clock.looks([0] * 41)

    assert clock.look(1).count >= 1


def test_a_new_leader_begins_with_the_whole_delay():
    """Whoever remembers nothing takes nothing away yet."""
    clock = Clock(SCALE, current=4)

    counts = clock.looks([0] * 21)

    assert set(counts[:-1]) == {4}


def test_missing_data_is_not_idleness():
    """While the queue is unknown the delay does not run."""
    clock = Clock(SCALE, current=3)
    unknown = [clock.look(None).count for _ in range(40)]

    known = clock.looks([0] * 22)

    assert {*unknown, *known[:20]} == {3}
    assert known[-1] == 0


def test_what_instances_tell_counts_when_all_have_told():
    """One that is silent may be the busy one; the queue's own targets do without its word."""
    clock = Clock(replace(SCALE, target_cpu_percentage=50), current=3)
    silent = [clock.look(1, ready=2, cpu_percent=5.0).count for _ in range(40)]

    heard = [clock.look(1, cpu_percent=5.0).count for _ in range(22)]

    assert {*silent, *heard[:20]} == {3}
    assert heard[-1] == 1


def test_the_first_instance_may_take_its_time():
    """Who asked may have given up; the next one finds it all the same."""
    clock = Clock(SCALE)
    clock.look(1)

    starting = [clock.look(0, ready=0).count for _ in range(100)]

    assert starting[-1] == 1


def test_a_hole_between_two_looks_is_missing_data():
    """Nobody looked, so nobody knows that there was nothing to do."""
    clock = Clock(SCALE, current=3)
    clock.looks([0] * 5)
    clock.now_s += 60

    assert clock.look(0).count == 3


@given(scales, observations)
def test_count_is_within_the_bounds(scale, seen):
    """Whatever is seen, and whatever the count was."""
    decision = Autoscaler(scale).decide(seen, 0.0)

    assert scale.min_instances <= decision.count <= scale.max_instances
    assert decision.reason


@given(scales, observations, depths, depths)
def test_more_load_never_asks_for_fewer(scale, seen, one, other):
    """The count rises with the depth of the queue."""
    low, high = (
        Autoscaler(scale).decide(replace(seen, depth=depth), 0.0).count
        for depth in sorted((one, other))
    )

    assert low <= high


@given(scales, depths, st.integers(1, 8))
def test_steady_load_does_not_flap(scale, depth, slots):
    """The count settles at once where the load does not change."""
    clock = Clock(replace(scale, target_wait_ms=None))

    counts = [clock.look(depth, slots=slots).count for _ in range(60)]

    assert len(set(counts)) == 1


@given(st.lists(st.none() | st.integers(0, 6), min_size=8, max_size=20))
def test_scale_in_is_never_quicker_than_the_delay(seconds):
    """A count that was wanted is kept for the delay."""
    clock = Clock(SCALE)
    loads = [load for load in seconds for _ in range(4)]  # the polling interval

    counts = clock.looks(loads)

    steps = int(SCALE.delay_s / STEP_S)
    wishes = [Autoscaler(SCALE).decide(replace(IDLE, depth=d or 0), 0.0).count for d in loads]
    for at, count in enumerate(counts):
        assert count >= max(wishes[max(0, at - steps) : at + 1])


@given(st.lists(st.none() | st.integers(0, 6), max_size=60))
def test_any_past_is_forgotten_after_the_delay(loads):
    """However the load was and whatever was missing, an idle deployment gets to its least."""
    clock = Clock(SCALE, current=2)
    clock.looks(loads)

    counts = clock.looks([0] * 30)

    assert counts[-1] == 0


def test_what_is_refused_is_scaled_for_too():
    """600/s of 20 ms each are 12 at once; four slots to 70 % are 2.8."""
    seen = Observation(
        current=1, depth=8, ready=1, slots=4, service_s=0.02, offered_per_s=600, refused_per_s=400
    )

    decision = Autoscaler(replace(SCALE, max_instances=9)).decide(seen, 1000.0)

    assert decision.counts["offered"] == decision.count == 5
    assert decision.reason.startswith("600 requests/s offered, 400 of them refused, 20 ms each,")


def test_refusals_wake_a_deployment_that_sleeps():
    """No request is in its queue: a start takes longer than they have."""
    seen = replace(IDLE, refused_per_s=0.5, offered_per_s=0.5)

    assert Autoscaler(SCALE).decide(seen, 1000.0).count == 1


@given(scale=scales, seen=observations, rate=st.floats(0.1, 1000), more=st.floats(0, 1000))
def test_more_that_is_offered_never_asks_for_fewer(scale, seen, rate, more):
    """Whatever the other targets say; and the bounds hold."""
    counts = [
        Autoscaler(scale).decide(replace(seen, offered_per_s=offered, refused_per_s=1.0), 1.0).count
        for offered in (rate, rate + more)
    ]

    assert counts[0] <= counts[1]
    least = max(scale.min_instances, int(seen.proving))
    assert all(least <= count <= max(scale.max_instances, least) for count in counts)
