"""The figures of an overload, made by hand."""

import pytest

from tests.chaos import figures
from tests.chaos.gauges import Sample
from tests.chaos.journal import Answered, Sent
from tests.chaos.oracle import Broker, Case, judge


def case(at_s: float, took_s: float = 0.1, status: int = 200, number: int = 0) -> Case:
    """A request sent at a time, with 5 s to its deadline, and its answer."""
    name = f"s1-{number}"
    sent = Sent(id=name, kind="http", at_s=at_s, timeout_s=5.0)
    own = name if status == 200 else ""
    return Case(sent=sent, answers=[Answered(id=name, at_s=at_s + took_s, status=status, own=own)])


def sample(at_s: float, *, ready: int = 1, offered: float | None = 600.0, **mib: float) -> Sample:
    """A look at the mesh."""
    return Sample(at_s=at_s, memory_mib=mib, ready=ready, offered_per_s=offered)


def test_goodput_counts_what_was_answered_in_time():
    """Neither a refusal nor an answer that came too late."""
    cases = [case(0.0), case(1.0), case(1.0, status=429), case(0.0, took_s=6.0)]

    assert figures.goodput(cases, 0.0, 10.0) == pytest.approx(0.2)


@pytest.mark.parametrize(("took_s", "late"), [(5.0, False), (5.2, False), (5.3, True)])
def test_a_deadline_counts_from_the_brokers_stamp(took_s, late):
    """Which is a quarter of a second after the sending at most."""
    assert figures.is_late(case(0.0, took_s)) is late


def test_refusals_are_timed():
    """Answers are not refusals; of 100 the p99 is the second slowest."""
    cases = [case(0.0), *(case(0.0, number / 1000, 429) for number in range(1, 101))]

    assert figures.percentile(figures.refusals_ms(cases), 0.99) == pytest.approx(99.0)


def test_a_generator_that_is_behind_is_found_out():
    """The third request was due 0.2 s after the first."""
    cases = [case(7.0), case(7.1, number=1), case(7.5, number=2)]

    assert figures.behind_s(cases, 10.0) == pytest.approx(0.3)


def test_memory_is_compared_with_ten_seconds_after_a_process_began():
    """One that has not lived so long is not compared; the one that grew most comes first."""
    samples = [
        sample(0.0, old=5.0),
        sample(10.0, old=10.0),
        sample(50.0, old=11.0, new=7.0),
        sample(60.0, old=12.0, new=8.0),
        sample(61.0, old=12.0, new=8.0, newest=1.0),
    ]

    assert figures.growth(samples) == [("old", 10.0, 12.0), ("new", 8.0, 8.0)]


def test_what_is_missed_is_said():
    """One request in a second, a process that grew by a half, and a scaler that sees half of it."""
    cases = [case(0.0), case(1.0, number=600)]
    samples = [sample(0.0, up=10.0), sample(10.0, up=10.0, offered=300.0), sample(20.0, up=15.0)]
    verdict = judge([], [], Broker())

    lines = figures.of_overload(cases, verdict, samples, 600.0)

    missed = [line.what for line in lines if not line.is_met]
    assert [what.partition(",")[0] for what in missed] == [
        "answered within their deadline",
        "the scaler sees offered",
        "memory of up",
    ]


def test_instances_are_told_as_they_change():
    """The count, and when it was there."""
    samples = [sample(0.0, ready=0), sample(1.0), sample(2.0), sample(8.0, ready=4)]

    assert figures.instances(samples) == "1 after 1 s, 4 after 8 s"
