"""When answers in a row make a runner good, or bad."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.spec.runtime import Probe
from workers.probe import Streak, next_at_s

THRESHOLDS = st.integers(1, 4)


@given(successes=THRESHOLDS, failures=THRESHOLDS, answers=st.lists(st.booleans()))
def test_it_changes_with_as_many_in_a_row_as_its_threshold(successes, failures, answers):
    """And stays what it is until the others have come in a row."""
    streak = Streak(Probe(success_threshold=successes, failure_threshold=failures))
    expected = None
    for index, answer in enumerate(answers):
        streak.note(is_success=answer)
        if answers[: index + 1][-successes:] == [True] * successes:
            expected = True
        if answers[: index + 1][-failures:] == [False] * failures:
            expected = False

    assert (streak.is_good, streak.is_bad) == (expected is True, expected is False)


def test_it_says_how_often_it_has_failed():
    """In words."""
    streak = Streak(Probe())
    texts = []
    for _ in range(2):
        streak.note(is_success=False)
        texts.append(streak.text)

    assert texts == ["failed once", "failed 2 times in a row"]


def test_the_next_probe_is_a_period_after_the_last_began():
    """At once if an answer took longer than that; never two at a time."""
    probe = Probe(period=3)

    assert [next_at_s(probe, 10.0, now_s) for now_s in (10.5, 15.0)] == [13.0, 15.0]
