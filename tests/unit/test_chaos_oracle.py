"""What the oracle of the chaos rows says of three witnesses, each case made by hand."""

import msgspec
import pytest

from tests.chaos.journal import Accepted, Answered, Routed, Run, Sent, Struck, Unanswered
from tests.chaos.load import Plan, schedule
from tests.chaos.oracle import Broker, judge

SENT = Sent(id="a", kind="http", at_s=10.0, timeout_s=5.0)
QUEUED = Sent(id="a", kind="enqueue", at_s=10.0, timeout_s=60.0)
ACCEPTED = Accepted(id="a", name="a", at_s=10.1)
ANSWER = Answered(id="a", at_s=10.2, status=200, own="a")
TIMED_OUT = Answered(id="a", at_s=15.0, status=408, error="deadline_exceeded")
KEPT = Broker(results={"a"})


def ran(begin_s: float = 10.1, end_s: float | None = 10.12) -> list[Run]:
    """A run, which did not end if `end_s` is None."""
    begun = Run(id="a", event="begin", pid=1, at_s=begin_s)
    return [begun] if end_s is None else [begun, Run(id="a", event="end", pid=1, at_s=end_s)]


def test_an_answered_request_is_clean():
    """Accepted, answered once, by nobody else's answer."""
    verdict = judge([SENT, ANSWER], ran(), Broker())

    assert (verdict.accepted, verdict.answered_once, verdict.is_clean) == (1, 1, True)


def test_a_silent_request_is_lost():
    """Waited for in vain, and nobody had refused it."""
    silence = Unanswered(id="a", at_s=18.0, why="silent")

    assert judge([SENT, silence], ran(), Broker()).lost == 1


@pytest.mark.parametrize(
    ("runs", "lost"),
    [
        (ran(), 1),
        (ran(end_s=None), 1),
        (ran(14.9, 14.95), 0),
        (ran(14.9, None), 0),
        ([], 0),
    ],
    ids=["run-in-time", "begun-and-left", "run-too-late", "begun-too-late", "never-begun"],
)
def test_a_timeout_is_a_loss_if_it_need_not_have_been(runs, lost):
    """408 is an honest answer only where no run of it had ended, or been left, long before."""
    assert judge([SENT, TIMED_OUT], runs, Broker()).lost == lost


def test_a_queued_request_without_result_is_lost():
    """It was confirmed, and the broker has nothing."""
    silence = Unanswered(id="a", at_s=18.0, why="silent")

    verdict = judge([QUEUED, ACCEPTED, silence], ran(), Broker())

    assert verdict.lost == 1
    assert "no result" in verdict.strange[0]


def test_what_nobody_confirmed_is_not_owed():
    """An enqueue without acknowledgement may have been run or not."""
    silence = Unanswered(id="a", at_s=18.0, why="unconfirmed")

    verdict = judge([QUEUED, silence], ran(), Broker())

    assert (verdict.accepted, verdict.refused, verdict.is_clean) == (0, 1, True)


@pytest.mark.parametrize("error", ["bus", "queue_full", "no_responders"])
def test_a_refusal_is_not_owed(error):
    """The caller was told that nothing will be done."""
    refusal = Answered(id="a", at_s=10.0, status=503, error=error)

    assert judge([SENT, refusal], [], Broker()).refused == 1


def test_answer_unknown_is_counted_by_itself():
    """Neither lost nor refused: the caller was told that nobody knows."""
    told = Answered(id="a", at_s=10.0, status=503, error="answer_unknown")

    verdict = judge([SENT, told], ran(), Broker())

    assert (verdict.accepted, verdict.answer_unknown, verdict.errors) == (1, 1, {})


def test_two_answers_are_a_duplicate():
    """On the caller's own reply subject, or its connection."""
    assert judge([SENT, ANSWER, ANSWER], ran(), Broker()).duplicated == 1


def test_a_replaced_result_is_a_duplicate():
    """The broker tells it by the numbers of its stream."""
    kept = msgspec.structs.replace(KEPT, overwritten=1)

    assert judge([QUEUED, ACCEPTED, ANSWER], ran(), kept).duplicated == 1


@pytest.mark.parametrize(("begin_s", "dead"), [(15.1, 0), (15.3, 1)])
def test_a_run_after_the_deadline_is_dead_work(begin_s, dead):
    """A quarter of a second is granted for the way to the broker, whose stamp counts."""
    assert judge([SENT, TIMED_OUT], ran(begin_s), Broker()).dead_work == dead


def test_another_requests_answer_is_strange():
    """The caller's id is not the one in the answer."""
    foreign = Answered(id="a", at_s=10.2, status=200, own="b")

    assert "another request" in judge([SENT, foreign], ran(), Broker()).strange[0]


@pytest.mark.parametrize(
    ("runs", "broker", "text"),
    [
        ([], Broker(), "never run"),
        (ran(), Broker(left=1, pending=1), "still holds 1"),
        ([*ran(), Run(id="x", event="end", pid=1, at_s=1.0)], Broker(), "never asked for: x"),
    ],
    ids=["no-run", "left", "unasked"],
)
def test_witnesses_that_contradict_each_other_are_named(runs, broker, text):
    """What one says and another does not bear out."""
    verdict = judge([SENT, ANSWER], runs, broker)

    assert any(text in line for line in verdict.strange)
    assert not verdict.is_clean


def test_the_gap_is_between_successes():
    """Errors and queued requests do not fill it."""
    later = [
        msgspec.structs.replace(SENT, id="b"),
        Answered(id="b", at_s=13.0, status=200, own="b"),
    ]

    assert judge([SENT, ANSWER, *later], ran(), Broker()).longest_gap_s == pytest.approx(2.8)


def test_the_same_seed_sends_the_same():
    """A row can be run again as it was."""
    plan = Plan(seed=7, seconds=1, short=0.5)

    assert schedule(plan) == schedule(plan)
    assert schedule(plan) != schedule(msgspec.structs.replace(plan, seed=8))
    assert len(schedule(plan)) == 200


INVOKED = Sent(id="a", kind="invoke", at_s=10.0, timeout_s=5.0)
CUT = Unanswered(id="a", at_s=18.0, why="cut")
STRUCK = Struck(at_s=10.05)
HAD_IT = Routed(id="a", gateway="g", at_s=10.02)
LIVES_ON = [
    Sent(id="b", kind="http", at_s=12.0, timeout_s=5.0),
    Routed(id="b", gateway="g", at_s=12.0),
    Answered(id="b", at_s=12.1, status=200, own="b"),
]


@pytest.mark.parametrize(
    ("more", "runs", "lost"),
    [
        ([STRUCK], [], 0),
        ([STRUCK, HAD_IT], ran(), 0),
        ([STRUCK, HAD_IT, *LIVES_ON], ran(10.03, 10.06), 0),
        ([STRUCK, HAD_IT, *LIVES_ON], ran(11.0, 11.1), 1),
        ([HAD_IT, *LIVES_ON], ran(), 1),
        ([], [], 1),
    ],
    ids=["never-queued", "gateway-gone", "on-the-wire", "gateway-lives", "no-fault", "no-reason"],
)
def test_a_cut_needs_an_excuse(more, runs, lost):
    """An invocation that a living gateway had in hand is lost, whatever else went meanwhile."""
    verdict = judge([INVOKED, *more, CUT], runs, Broker())

    assert (verdict.lost, verdict.cut) == (lost, 1 - lost)


def test_what_was_not_erased_is_told():
    """The broker may hold what was acknowledged; that is no loss, and is not hidden."""
    verdict = judge([SENT, ANSWER], ran(), Broker(stale=2))

    assert (verdict.stale, verdict.lost, verdict.strange) == (2, 0, [])
