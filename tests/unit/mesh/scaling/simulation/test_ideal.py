"""The count of somebody who knows everything beforehand."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.scaling.simulation.ideal import WINDOW_S, ideal_of
from mesh.scaling.simulation.question import Question
from mesh.scaling.simulation.replay import Replay
from mesh.scaling.simulation.service import Service
from mesh.scaling.simulation.trace import Step, Trace
from tests.unit.mesh.scaling.simulation.deciders import Fixed

CONSTANT = Service(spread="constant")


def demand(*each: float) -> Trace:
    steps = tuple(Step(number * WINDOW_S, rate) for number, rate in enumerate(each))
    return Trace("mine", steps, len(each) * WINDOW_S)


def test_no_demand_needs_no_instance():
    """And `least` instances where there have to be some."""
    question = Question(trace=demand(0, 0))

    assert ideal_of(question).counts == [0, 0]
    assert ideal_of(question, 2).counts == [2, 2]


def test_starts_are_paid_for():
    """What is up in time was begun before."""
    question = Question(trace=demand(0, 1), service=CONSTANT)

    ideal = ideal_of(question)

    assert ideal.counts == [0, 1]
    assert ideal.worker_s == WINDOW_S + CONSTANT.warmup_s


def test_counts_follow_the_demand():
    """Fifty requests a second of 0.2 s keep ten busy; one or two more hold the wait."""
    ideal = ideal_of(Question(trace=demand(50, 5, 50), service=CONSTANT))

    assert 10 <= ideal.counts[0] <= 13
    assert ideal.counts[1] <= 3


@settings(deadline=None)
@given(st.floats(0.5, 60), st.integers(1, 99))
def test_a_fixed_ideal_count_makes_nobody_late(rate, seed):
    """The largest count of the ideal, held all the time, keeps the promise too."""
    question = Question(trace=demand(rate, rate, rate), service=CONSTANT, seed=seed)
    most = ideal_of(question).most_instances

    held = Question(trace=question.trace, service=CONSTANT, begin_with=most, seed=seed)

    assert Replay(held, Fixed(most)).run().late == 0
