"""The simulator against what is known of queues: nothing is lost, waits are the theory's."""

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.scaling.simulation.question import Question
from mesh.scaling.simulation.replay import Replay
from mesh.scaling.simulation.service import Service
from mesh.scaling.simulation.trace import Step, Trace
from tests.unit.mesh.scaling.simulation.deciders import ByLot, Fixed

PATIENT = Service(spread="exponential", timeout_s=1e9)

rates = st.lists(st.sampled_from([0.0, 1.0, 20.0, 80.0]), min_size=1, max_size=4)
services = st.builds(
    Service,
    service_s=st.sampled_from([0.01, 0.2, 1.0]),
    spread=st.sampled_from(["lognormal", "exponential", "constant"]),
    warmup_s=st.sampled_from([0.0, 0.5, 5.0]),
    slots=st.integers(1, 3),
    timeout_s=st.sampled_from([0.5, 5.0]),
)


def demand(*each: float, step_s: float = 5.0) -> Trace:
    """So many requests a second in each step."""
    steps = tuple(Step(number * step_s, rate) for number, rate in enumerate(each))
    return Trace("mine", steps, len(each) * step_s)


def erlang_c_wait_s(rate: float, service_s: float, servers: int) -> float:
    """The mean wait of an M/M/c queue."""
    load = rate * service_s
    terms = [load**n / math.factorial(n) for n in range(servers)]
    full = load**servers / math.factorial(servers) * servers / (servers - load)
    return full / (sum(terms) + full) * service_s / (servers - load)


@settings(deadline=None)
@given(rates, services, st.integers(0, 4), st.integers(0, 99))
def test_every_request_ends_once(each, service, begin_with, seed):
    """Answered, refused or given up: together as many as came, whatever the policy does."""
    question = Question(trace=demand(*each), service=service, begin_with=begin_with, seed=seed)

    outcome = Replay(question, ByLot(seed, 6)).run()

    assert outcome.requests == sum(1 for _ in question.requests())
    assert outcome.requests == outcome.answered + outcome.refused + outcome.timed_out
    assert outcome.refused + outcome.timed_out <= outcome.late <= outcome.requests
    assert outcome.waits.most_s <= service.timeout_s


@settings(deadline=None)
@given(rates, services, st.integers(0, 99))
def test_what_is_paid_and_seen_is_bounded_by_what_there_is(each, service, seed):
    """Instances run no more than their slots, and are paid from launch to end, no less."""
    policy = ByLot(seed, 6)
    question = Question(trace=demand(*each), service=service, seed=seed)

    outcome = Replay(question, policy).run()

    assert 0 <= outcome.worker_s <= 12 * outcome.seconds  # at most 6, and 6 that still drain
    for seen in policy.shown:
        assert seen.ready <= seen.current
        assert seen.in_flight <= seen.ready * seen.slots
        assert seen.cpu_percent is None or 0 <= seen.cpu_percent <= 100 * seen.slots + 1e-6


def test_the_same_seed_is_the_same_run_to_the_last_digit():
    """And another seed another one."""
    question = Question(trace=demand(30, 5, 60), service=Service(warmup_s=0.5))

    def run(seed):
        asked = Question(trace=question.trace, service=question.service, seed=seed)
        return Replay(asked, ByLot(1, 6)).run()

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_the_policy_changes_no_request():
    """All policies are compared on the same requests, with the same run times."""
    question = Question(trace=demand(30, 5, 60))

    first, second = list(question.requests()), list(question.requests())

    assert first == second


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (3, 0.8), (10, 0.85)])
def test_waits_are_those_of_erlang(servers, load):
    """Poisson arrivals, exponential times, a fixed count: the mean wait of the M/M/c formula."""
    rate = load * servers / PATIENT.service_s
    trace = demand(rate, step_s=100_000 / rate)
    question = Question(trace=trace, service=PATIENT, begin_with=servers)

    outcome = Replay(question, Fixed(servers)).run()

    theory_s = erlang_c_wait_s(rate, PATIENT.service_s, servers)
    assert outcome.waits.mean_s == pytest.approx(theory_s, rel=0.1)


def test_slots_are_servers():
    """One instance of three slots waits as three instances of one do."""
    trace, service = demand(12, step_s=8000), Service(slots=3, timeout_s=1e9, spread="exponential")

    outcome = Replay(Question(trace=trace, service=service), Fixed(1)).run()

    assert outcome.waits.mean_s == pytest.approx(erlang_c_wait_s(12, 0.2, 3), rel=0.1)


def test_littles_law_holds():
    """Requests in the system are, on average, the rate times the time that one is in it."""
    trace = demand(20, step_s=10_000)
    question = Question(trace=trace, service=PATIENT, begin_with=5)

    outcome = Replay(question, Fixed(5)).run()

    depth = statistics.fmean(sample.depth for sample in outcome.samples)
    assert depth == pytest.approx(20 * (outcome.waits.mean_s + PATIENT.service_s), rel=0.05)


def test_a_start_takes_its_time_and_is_paid():
    """Requests wait for an instance that starts; the time until it is ready costs as well."""
    service = Service(warmup_s=2.0, warmup_cv=0, spread="constant")
    question = Question(trace=demand(4, 4, 4, step_s=10), service=service, begin_with=0)

    outcome = Replay(question, Fixed(1)).run()

    assert outcome.changes[0].after == 1
    assert 1.5 < outcome.waits.most_s <= 2.0
    assert outcome.worker_s == 30.0


def test_a_drained_instance_ends_what_it_has_begun():
    """Scaling to zero at once loses nothing that runs; what waits is given up in the end."""
    service = Service(service_s=3.0, spread="constant", timeout_s=5.0)
    question = Question(trace=demand(2, step_s=10), service=service, begin_with=4)

    outcome = Replay(question, Dropping(at_s=5.0)).run()

    assert outcome.answered > 0
    assert outcome.requests == outcome.answered + outcome.refused + outcome.timed_out
    assert 4 * 5.0 <= outcome.worker_s < 4 * 8.0


class Dropping(Fixed):
    """Four instances until a time, then none."""

    def __init__(self, at_s: float) -> None:
        super().__init__(4)
        self.at_s = at_s

    def decide(self, seen, now_s):
        self.count = 4 if now_s < self.at_s else 0
        return super().decide(seen, now_s)


def test_observations_are_as_late_as_a_scalers():
    """Heartbeats come once a second, rates are over three: a change is not seen at once."""
    policy = Fixed(20)
    question = Question(trace=demand(0, 50, 50, step_s=10), service=Service(), begin_with=20)

    Replay(question, policy).run()

    def rate(at_s):
        return policy.shown[round(at_s / 0.25)].offered_per_s

    assert policy.shown[0].offered_per_s is None
    assert rate(9.75) == 0
    assert 0 < rate(11.25) < 30
    assert rate(14) == pytest.approx(50, rel=0.3)
    assert policy.shown[-1].service_s == pytest.approx(0.2, rel=0.2)
    assert policy.shown[-1].cpu_percent == pytest.approx(50, rel=0.3)
