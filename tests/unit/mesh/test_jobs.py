"""What the records of a queued request say together."""

import pytest

from mesh import wire
from mesh.bus import Message
from mesh.jobs import RUNNING_S, Begun, Job, judge
from mesh.records import JobRecord, JobRun

JOB = Job(JobRecord(deployment="blue", timeout_s=60.0, seq=7), 3, 1000.0)
BEGUN = Begun(JobRun(deployment="blue", lane="queued", seq=9, attempt=2, instance="i1"), 1010.0)


class Kept:
    """A result as it lies in its stream."""

    subject = reply = ""
    data = b"{}"

    def __init__(self, error: str = "") -> None:
        self.headers = {wire.ERROR: error} if error else {}


def state(job: Job | None, begun: Begun | None, result: Message | None, now_s: float) -> str | None:
    status = judge("r1", job, begun, result, now_s)
    return status.state if status else None


def test_nothing_is_known_without_a_record():
    """Neither accepted, nor begun, nor ended: there is no such request."""
    assert judge("r1", None, None, None, 1001.0) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("", "done"),
        ("model_error", "failed"),
        ("poison", "failed"),
        ("cancelled", "cancelled"),
        ("deadline_exceeded", "expired"),
    ],
)
def test_the_result_decides(error: str, expected: str):
    """Whatever else is noted."""
    assert state(JOB, BEGUN, Kept(error), 9e9) == expected
    assert state(None, None, Kept(error), 1001.0) == expected


def test_a_request_waits_until_it_is_begun_or_its_time_is_over():
    """Nobody has to write down that it has expired."""
    assert state(JOB, None, None, 1059.0) == "queued"
    assert state(JOB, None, None, 1063.0) == "expired"
    assert state(JOB, BEGUN, None, 1063.0) == "running"


def test_one_that_was_begun_and_never_ended_has_expired():
    """After the longest time that a deployment may let it run."""
    assert state(JOB, BEGUN, None, 1011.0 + RUNNING_S) == "expired"


def test_who_has_begun_it_is_told():
    """The attempt that counts, and its number in the queue now."""
    status = judge("r1", JOB, BEGUN, None, 1011.0)

    assert status is not None
    assert (status.attempt, status.instance, status.seq) == (2, "i1", 9)
    assert (status.submitted_at_s, status.expires_at_s, status.begun_at_s) == (
        1000.0,
        1060.0,
        1010.0,
    )
    assert not status.has_ended
