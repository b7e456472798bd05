"""When an instance is found to answer worse than others, and when it is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.wire import Depth
from workers.conduct import HOLD_S, STALE_S, Conduct, Record, is_far_worse, is_worse

COUNTS = st.integers(0, 1000)
RECORDS = st.tuples(COUNTS, COUNTS).map(lambda pair: Record(max(pair), min(pair)))


def depth(serving=1, *, health=None, instances=None):
    return Depth(
        endpoint="iris",
        deployment="blue",
        lanes={},
        serving=serving,
        health=health or {},
        instances=instances or {},
    )


def newcomer(**told):
    """An instance of generation 2 that has begun to serve at second 0."""
    conduct = Conduct("me", 2, 0.0)
    conduct.hear(depth(**told), 0.0)
    conduct.begin(Record(), 0.0)
    return conduct


def verdict(conduct, answers, failures, now_s, *, is_busy=False):
    conduct.judge(Record(answers, failures), is_busy=is_busy, now_s=now_s)
    return conduct.verdict


def test_probation_comes_after_the_scaler_does():
    """Alone it serves; what it has answered then is judged once the others are known."""
    conduct = Conduct("me", 2, 0.0)
    alone = verdict(conduct, 30, 30, 2.0)
    conduct.hear(depth(), 60.0)
    unknown = verdict(conduct, 30, 30, 60.0)
    conduct.hear(depth(health={"1": (100, 0)}), 61.0)

    assert (alone, unknown) == ("alone", "probation")
    assert verdict(conduct, 30, 30, 61.0) == "suspect"


def test_a_new_scaler_does_not_end_probation():
    """What the serving generation has shown is remembered for half a minute."""
    conduct = newcomer(health={"1": (100, 0)})
    conduct.hear(depth(), 9.0)

    assert verdict(conduct, 1, 1, 10.0) == "suspect"


@pytest.mark.parametrize(
    ("answers", "failures", "serving", "expected"),
    [
        pytest.param(20, 0, (100, 0), "ready", id="no failure"),
        pytest.param(20, 1, (100, 0), "ready", id="five points worse"),
        pytest.param(2, 2, (100, 0), "suspect", id="it cannot become good any more"),
        pytest.param(20, 11, (100, 50), "ready", id="both are bad"),
        pytest.param(20, 12, (100, 50), "suspect", id="both are bad, one is worse"),
        pytest.param(19, 0, (100, 0), "probation", id="not yet 20"),
        pytest.param(20, 0, None, "ready", id="nothing to forgive"),
        pytest.param(20, 20, None, "probation", id="nobody to compare with, yet"),
    ],
)
def test_probation_ends_with_20_answers(answers, failures, serving, expected):
    """The share of failures may be that of the serving generation and five points more."""
    conduct = newcomer(health={"1": serving} if serving else {})

    assert verdict(conduct, answers, failures, 1.0) == expected


@pytest.mark.parametrize(
    ("answers", "failures", "serving", "is_busy", "expected"),
    [
        pytest.param(0, 0, (5, 0), False, "ready", id="nobody asked"),
        pytest.param(0, 0, (5, 0), True, "probation", id="the first one runs still"),
        pytest.param(3, 0, (5, 0), True, "ready", id="three good ones"),
        pytest.param(3, 1, (5, 0), False, "suspect", id="one of three"),
        pytest.param(20, 20, None, False, "ready", id="nobody to compare with"),
    ],
)
def test_probation_ends_after_ten_seconds(answers, failures, serving, is_busy, expected):
    """With what there is by then."""
    conduct = newcomer(health={"1": serving} if serving else {})

    assert verdict(conduct, answers, failures, 10.0, is_busy=is_busy) == expected


@pytest.mark.parametrize("serving", [0, 2, 3])
def test_only_a_newer_generation_has_a_probation(serving):
    """Not the first one, not one that serves already, not one that is gone back to."""
    assert verdict(newcomer(serving=serving), 0, 0, 0.0) == "ready"


def test_without_a_word_of_the_scaler_it_serves():
    """After two seconds: a scaler that is away does not keep an instance slow."""
    conduct = Conduct("me", 2, 0.0)
    conduct.begin(Record(), 0.0)

    assert [verdict(conduct, 0, 0, at_s) for at_s in (1.9, 2.0)] == ["probation", "alone"]


@given(serving=RECORDS, results=st.lists(st.booleans(), min_size=20, max_size=20))
def test_a_verdict_before_the_20th_answer_is_that_of_the_20th(serving, results):
    """It stops as early as can be, and never sooner than the whole probation would say."""
    conduct = newcomer(health={"1": serving}) if serving.answers else newcomer()
    verdicts = [verdict(conduct, count, sum(results[:count]), 0.1) for count in range(1, 21)]

    share = sum(results) / 20
    if serving.answers and share > serving.share + 0.05 + 1e-9:
        assert verdicts[-1] == "suspect"
    elif serving.answers:
        assert verdicts[-1] == "ready"
    else:
        assert verdicts[-1] == ("probation" if sum(results) else "ready")


def sibling(told, *, generation="1"):
    """An instance of generation 1, ready for a second, and what all have answered since then."""
    conduct = young({})
    conduct.hear(depth(instances={generation: told}), 1.0)
    return conduct


def test_far_worse_than_its_siblings_is_held_and_then_suspect():
    """It waits for what the others say of the time since; they are still good."""
    conduct = sibling({"me": (20, 20), "a": (40, 0), "b": (40, 1)})

    verdicts = [verdict(conduct, 20, 20, at_s) for at_s in (1.0, 1.0 + HOLD_S / 2, 1.0 + HOLD_S)]

    assert verdicts == ["held", "held", "suspect"]
    assert conduct.reason == (
        "20 of 20 answers failed (100%); of 2 of its siblings 1 of 80 answers failed (1%)"
    )


def test_siblings_that_fail_too_let_it_go_on():
    """It was only the first to be hit."""
    conduct = sibling({"a": (40, 0)})
    held = verdict(conduct, 20, 20, 1.0)
    conduct.hear(depth(instances={"1": {"a": (80, 40)}}), 2.0)

    assert (held, verdict(conduct, 20, 20, 2.0)) == ("held", "ready")


def young(told):
    """An instance that has begun to serve just now, beside others."""
    conduct = Conduct("me", 1, 0.0)
    conduct.hear(depth(instances={"1": told}), 0.0)
    conduct.begin(Record(), 0.0)
    verdict(conduct, 0, 0, 0.0)
    return conduct


def test_a_young_one_is_held_for_what_siblings_did_before():
    """It does not draw the traffic until they have answered beside it; that alone condemns it."""
    conduct = young({"a": (10_000, 0)})
    held = [verdict(conduct, 20, 20, at_s) for at_s in (0.1, 3.0)]
    conduct.hear(depth(instances={"1": {"a": (10_020, 0)}}), 3.0)

    assert [*held, verdict(conduct, 20, 20, 3.1)] == ["held", "held", "suspect"]


def test_a_hold_that_brings_nothing_ends():
    """Nobody has answered beside it for ten seconds: it goes on, and is not held for that again."""
    conduct = young({"a": (10_000, 0)})

    verdicts = []
    for at_s in (0.0, 9.9, 10.0, 20.0):
        conduct.hear(depth(instances={"1": {"a": (10_000, 0)}}), at_s)
        verdicts.append(verdict(conduct, 20, 20, at_s))

    assert verdicts == ["held", "held", "ready", "ready"]


def test_what_was_told_long_ago_is_not_known():
    """A scaler that is away says nothing of siblings."""
    conduct = young({"a": (10_000, 0)})

    assert verdict(conduct, 20, 20, STALE_S + 1) == "ready"


def test_what_siblings_did_before_condemns_nobody():
    """A young instance that fails with all the others is not measured by their better days."""
    conduct = young({"a": (10_000, 0)})
    conduct.hear(depth(instances={"1": {"a": (10_025, 25)}}), 3.0)

    assert verdict(conduct, 25, 25, 3.0) == "ready"


@pytest.mark.parametrize(
    ("told", "own"),
    [
        pytest.param({"me": (300, 0)}, (600, 300), id="no siblings"),
        pytest.param({"a": (19, 0)}, (20, 20), id="they have hardly answered"),
        pytest.param({"a": (40, 0)}, (19, 19), id="it has hardly answered"),
        pytest.param({"a": (40, 0)}, (20, 13), id="it may be chance"),
        pytest.param({"a": (900, 0)}, (900, 200), id="less than 25 points"),
        pytest.param({"a": (90, 0), "b": (90, 90), "c": (90, 90)}, (90, 90), id="most are bad"),
    ],
)
def test_the_brake_leaves_an_instance_alone(told, own):
    """Without siblings, with too little known, or where it is no worse than most."""
    assert verdict(sibling(told), *own, 1.0) == "ready"


def test_other_generations_are_no_siblings():
    """Their code is another."""
    assert verdict(sibling({"a": (90, 0)}, generation="2"), 90, 90, 1.0) == "ready"


def test_only_the_last_half_minute_counts():
    """What it did well before does not hide that it is broken now."""
    conduct = sibling({})
    for at_s in range(70):
        conduct.hear(depth(instances={"1": {"a": (10 * at_s, 0)}}), float(at_s))
        now = verdict(conduct, 100 * at_s, 0, float(at_s))
    for at_s in range(70, 79):
        conduct.hear(depth(instances={"1": {"a": (10 * at_s, 0)}}), float(at_s))
        now = verdict(conduct, 6900 + 100 * (at_s - 69), 100 * (at_s - 69), float(at_s))

    assert now == "held"


@given(own=RECORDS, other=RECORDS)
def test_of_two_at_most_one_is_far_worse(own, other):
    """So there is always one that goes on."""
    assert not (is_far_worse(own, other) and is_far_worse(other, own))
    assert not is_far_worse(own, own)


@given(own=RECORDS, serving=RECORDS, is_over=st.booleans())
def test_more_failures_never_help(own, serving, is_over):
    """Who is worse stays so with one failure more."""
    more = Record(own.answers + 1, own.failures + 1)

    if is_worse(own, serving, is_over=is_over):
        assert is_worse(more, serving, is_over=is_over)
