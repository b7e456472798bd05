"""Which requests a runner has to be stopped for."""

import pytest

from workers.overrun import Handed, Running, are_to_blame, deserted, overdue

SYNC = Running(is_async=False, begun=2, begun_at_s=10.0, limit_s=5.0)
ASYNC = Running(is_async=True, begun=3, begun_at_s=10.0, limit_s=5.0)
HANDED = {7: Handed(1, 9.0, 14.0), 8: Handed(2, 9.0, 14.0), 9: Handed(3, 9.0, 14.0)}


@pytest.mark.parametrize(("now_s", "expected"), [(13.0, set()), (14.9, set()), (15.0, {8})])
def test_a_sync_runner_is_stopped_for_what_it_runs(now_s, expected):
    """Past its deadline and its time; what came before has ended, what comes after not begun."""
    assert overdue(HANDED, SYNC, now_s) == expected


@pytest.mark.parametrize(("now_s", "expected"), [(14.9, set()), (15.0, {7, 8, 9})])
def test_an_async_runner_is_stopped_for_what_does_not_end_when_told(now_s, expected):
    """A moment after the deadline, when it was told."""
    assert overdue(HANDED, ASYNC, now_s) == expected


def test_a_short_deadline_brings_no_async_runner_down():
    """Before the deployment's own limit has passed."""
    assert overdue({7: Handed(1, 9.0, 9.5)}, ASYNC, 13.0) == set()


@pytest.mark.parametrize(
    ("gone_s", "until_s", "expected"),
    [({8: 11.0}, 12.0, {8}), ({8: 11.0}, 10.5, set()), ({9: 11.0}, 12.0, set()), ({}, 12.0, set())],
)
def test_a_sync_runner_is_stopped_for_what_nobody_waits_for(gone_s, until_s, expected):
    """If it runs, and its caller has been gone for long enough."""
    assert deserted(HANDED, SYNC, gone_s, until_s) == expected


def test_an_async_runner_is_stopped_for_nobody_who_left():
    """It has told its task."""
    assert deserted(HANDED, ASYNC, {7: 1.0, 8: 1.0, 9: 1.0}, 100.0) == set()


@pytest.mark.parametrize(
    ("running", "handed", "heard_s", "expected"),
    [
        pytest.param(SYNC, HANDED, 0.0, True, id="sync"),
        pytest.param(ASYNC, {7: HANDED[7]}, 0.0, True, id="alone"),
        pytest.param(ASYNC, HANDED, 14.5, True, id="its loop lives"),
        pytest.param(ASYNC, HANDED, 13.0, False, id="its loop may be blocked by another"),
    ],
)
def test_who_is_to_blame(running, handed, heard_s, expected):
    """Where nobody knows, nobody is: all are tried again apart."""
    assert are_to_blame(frozenset({7}), handed, running, heard_s) is expected
