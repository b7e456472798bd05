"""What the end of an instance means."""

import pytest
from msgspec.structs import replace

from mesh.subjects import WorkerAddress
from mesh.wire import WorkerHeartbeat
from scaler.endings import code_text, ending
from scaler.fleet import Beat
from scaler.launchers import Ended, Running

ADDRESS = WorkerAddress("iris", "blue", "i1")


def ended(code, words="", draining_since_s=None):
    running = Running(
        address=ADDRESS,
        generation=1,
        pid=1,
        started_s=0.0,
        draining_since_s=draining_since_s,
    )
    return Ended(running=running, code=code, last_words=words)


def beat(state, ready_at_s=None):
    said = WorkerHeartbeat(**ADDRESS._asdict(), generation=1, state=state)
    return Beat(said=said, at_s=0.0, since_s=0.0, ready_at_s=ready_at_s)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param(0, "exited with code 0, stopped without being asked to", id="clean"),
        pytest.param(7, "exited with code 7", id="unknown"),
        pytest.param(-9, "killed by SIGKILL", id="signal"),
        pytest.param(-200, "killed by signal 200", id="no signal"),
        pytest.param(None, "ended", id="adopted"),
    ],
)
def test_code_text(code, text):
    """Exit codes are told in words."""
    assert code_text(code) == text


def test_end_that_was_asked_for_is_no_crash():
    """A drained instance teaches nothing, however it ended; nor one drained by somebody else."""
    assert ending(ended(-9, draining_since_s=1.0), beat("ready"), "", 5.0) is None
    assert ending(ended(0), beat("draining"), "", 5.0) is None


def test_reason_that_was_told_wins():
    """What the instance says of its boot is the reason, and makes the failure final."""
    lesson = ending(ended(3, "noise"), None, "ValueError: no model", 5.0)

    assert lesson.reason == "ValueError: no model"
    assert lesson.boot_failed


def test_end_without_words_falls_back_to_the_log():
    """Without a word from the instance, its code and the end of its log are the reason."""
    lesson = ending(ended(3, "could not connect"), None, "", 5.0)

    assert lesson.reason == "instance i1: exited with code 3, could not start\ncould not connect"
    assert not lesson.boot_failed


def test_time_ready_is_remembered():
    """How long it was ready decides whether earlier crashes count."""
    assert ending(ended(-9), beat("ready", ready_at_s=2.0), "", 5.0).ready_for_s == 3.0


def test_who_was_killed_for_its_memory_is_told_so():
    """Before what the model said, and instead of a bare signal."""
    why = "out of memory: limit 64.0 MiB: a process of it was killed"

    killed = ending(replace(ended(-9), why=why), None, "", 0.0)
    adopted = ending(replace(ended(None), why=why), None, "", 0.0)
    failed = ending(replace(ended(3), why=why), None, "init failed", 0.0)
    crashed = ending(replace(ended(7), why=why), None, "", 0.0)

    assert killed.reason.endswith(f"killed by SIGKILL, {why}")
    assert adopted.reason.endswith(f"ended, {why}")
    assert failed.reason == f"{why}\ninit failed"
    assert why not in crashed.reason
