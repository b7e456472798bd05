"""The queue policy, over time; its constants are not what is tested."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.observation import Observation
from mesh.scaling.queue import QueueWait
from mesh.scaling.queue_load import QueueLoad
from mesh.scaling.simulation.question import Question
from mesh.scaling.simulation.replay import Replay
from mesh.scaling.simulation.service import Service
from mesh.scaling.simulation.trace import Step, Trace
from mesh.spec.scale import ScaleSettings, WaitSettings

STEP_S = 0.25
SERVICE_S = 0.2
START_S = 2.0
SCALE = ScaleSettings(
    type="target_utilization", min_instances=0, max_instances=50, target_wait_ms=500
)


class Fluid:
    """A deployment whose requests flow like water: as many come in each step, as many are done."""

    def __init__(self, scale: ScaleSettings = SCALE, slots: int = 1) -> None:
        self.autoscaler = Autoscaler(scale)
        self.slots = slots
        self.now_s = 1000.0
        self.depth = 0.0
        self.counts = [1]
        self.starts: list[float] = []
        self.ready = 1

    def step(self, rate, **changes):
        """Let a quarter of a second pass, then look."""
        self.now_s += STEP_S
        self.depth = max(rate * SERVICE_S, self.depth + (rate - self._rate()) * STEP_S)
        while self.starts and self.now_s - self.starts[0] >= START_S:
            self.ready, self.starts = self.ready + 1, self.starts[1:]
        seen = Observation(
            current=self.counts[-1],
            depth=round(self.depth),
            active=rate > 0,
            ready=self.ready,
            slots=self.slots,
            service_s=SERVICE_S,
            offered_per_s=rate,
            startup_s=START_S,
        )
        decision = self.autoscaler.decide(replace(seen, **changes), self.now_s)
        self._scale(decision.count)
        return decision

    def steps(self, rate, seconds, **changes):
        return [self.step(rate, **changes).count for _ in range(round(seconds / STEP_S))]

    def _rate(self) -> float:
        return self.ready * self.slots / SERVICE_S

    def _scale(self, count: int) -> None:
        alive = self.ready + len(self.starts)
        self.starts += [self.now_s] * (count - alive)
        for _ in range(count, alive):
            if self.starts:
                self.starts.pop()
            else:
                self.ready -= 1
        self.counts.append(count)


@settings(max_examples=20)  # each of them lasts minutes
@given(rate=st.floats(0.5, 150), slots=st.integers(1, 4))
def test_steady_load_does_not_flap(rate, slots):
    """Once it has settled the count stays; nobody waits."""
    fluid = Fluid(slots=slots)
    fluid.steps(rate, 120)

    counts = fluid.steps(rate, 60)

    assert len(set(counts)) == 1
    assert counts[0] * slots > rate * SERVICE_S
    assert fluid.depth <= max(1.0, rate * SERVICE_S)


def test_a_burst_gets_what_it_needs_at_the_next_look():
    """Ten times as much, from one look to the next."""
    fluid = Fluid()
    [*_, before] = fluid.steps(5, 60)

    after = fluid.steps(50, 1)[-1]

    assert before <= 3
    assert after > 50 * SERVICE_S


def test_a_backlog_is_gone_soon_after_the_start():
    """Within twice the time a start takes, and then what drained it goes again."""
    fluid = Fluid()
    fluid.steps(5, 60)

    fluid.steps(50, 2 * START_S)
    at_most = max(fluid.counts)
    fluid.steps(50, 90)

    assert fluid.depth <= 50 * SERVICE_S
    assert fluid.counts[-1] < at_most


def test_nothing_is_taken_away_in_a_panic():
    """While more is asked for than there is, the count only rises."""
    fluid = Fluid()
    fluid.steps(5, 60)

    counts = fluid.steps(100, START_S)

    assert counts == sorted(counts)


@settings(max_examples=10, deadline=None)  # each of them lasts minutes
@given(rate=st.floats(0.1, 60), seed=st.integers(0, 9999), warmup_s=st.floats(0.5, 20))
@example(rate=20.0, seed=5, warmup_s=5.0)
def test_chance_starts_nothing_that_ends_before_it_is_ready(rate, seed, warmup_s):
    """Of requests at random at the same rate. The first start tells how long one takes."""
    service = Service(warmup_s=warmup_s, warmup_cv=0.0)
    trace = Trace("steady", (Step(0.0, rate),), 300.0)
    question = Question(trace=trace, service=service, begin_with=0, seed=seed)

    changes = Replay(question, Autoscaler(SCALE)).run().changes

    more = [change.at_s for change in changes if change.after > change.before]
    fewer = [change.at_s for change in changes if change.after < change.before]
    known_s = more[0] + warmup_s + STEP_S if more else 0.0
    assert not [(a, b) for a in more for b in fewer if a > known_s and 0 < b - a < warmup_s]


def test_a_queue_that_grows_by_chance_is_no_greater_load():
    """Of 100 requests a second 30 more or less come by chance; what is beyond that is a load."""
    seen = Observation(current=20, active=True, ready=20, service_s=SERVICE_S, offered_per_s=100.0)
    by_chance, grown = QueueLoad(WaitSettings()), QueueLoad(WaitSettings())

    for load, more in ((by_chance, 30), (grown, 40)):
        load.note(seen, 20, 1.0)
        load.note(seen, 20 + more, 2.0)

    assert by_chance.rising == 100 * SERVICE_S
    assert grown.rising == pytest.approx(20 + 40 * SERVICE_S)


def test_at_most_half_goes_at_once():
    """The load has all but ended; it may be a mistake."""
    fluid = Fluid()
    fluid.steps(100, 90)

    fluid.steps(1, 120)

    pairs = zip(fluid.counts, fluid.counts[1:], strict=False)
    assert all(after >= before // 2 for before, after in pairs)
    assert fluid.counts[-1] <= 2


def test_idle_for_long_goes_to_zero():
    """With no requests nothing is needed once the delay is over."""
    fluid = Fluid()
    fluid.steps(20, 60)

    counts = fluid.steps(0, SCALE.delay_s + 60)

    assert counts[-1] == 0


def test_what_is_not_known_changes_nothing():
    """While the queue is not seen the count stays; then it recovers to what the load needs."""
    fluid = Fluid()
    [*_, before] = fluid.steps(40, 90)

    blind = fluid.steps(40, 30, depth=None)
    [*_, after] = fluid.steps(40, 120)

    assert {before, after, *blind} == {before}


def test_before_a_service_time_is_known_the_count_doubles():
    """It would be a guess; but what waits is not left to one instance."""
    policy = QueueWait(500, WaitSettings(), None)

    [asked] = policy.ask(Observation(current=1, depth=9, ready=1), 1.0)

    assert asked.count == 2


def test_without_gateways_what_runs_is_the_load():
    """Requests of producers that write to the lanes themselves are offered to no gateway."""
    fluid = Fluid()
    fluid.steps(40, 90, offered_per_s=None)

    assert fluid.counts[-1] > 40 * SERVICE_S


@given(
    depths=st.lists(st.integers(0, 300), min_size=2, max_size=2),
    service_s=st.floats(0.001, 10),
    slots=st.integers(1, 8),
    ready=st.integers(0, 20),
    wait_ms=st.integers(1, 5000),
)
def test_more_that_waits_never_asks_for_fewer(depths, service_s, slots, ready, wait_ms):
    """Monotone in the depth of the queue."""
    counts = []
    for depth in sorted(depths):
        seen = Observation(
            current=ready, depth=depth, active=True, ready=ready, slots=slots, service_s=service_s
        )
        asked = QueueWait(wait_ms, WaitSettings(), None).ask(seen, 1.0)
        counts.append(max(one.count for one in asked))

    assert counts[0] <= counts[1]


@pytest.mark.parametrize(("startup_s", "hold_s"), [(0.0, 8.25), (1.0, 6.0), (30.0, 45.75)])
def test_a_slow_start_is_reason_to_keep_what_there_is(startup_s, hold_s):
    """Half again as long as a start, and never less than the panic window."""
    seen = Observation(current=1, depth=1, ready=1, service_s=0.1, startup_s=startup_s)

    asked, _ = QueueWait(500, WaitSettings(), None).ask(seen, 1.0)

    assert asked.hold_s == pytest.approx(hold_s)
