"""What becomes of a worker whose runner is stuck, busy, or not ready."""

import os
import signal

import psutil
import pytest

from tests.integration.workers.crew import GOOD

pytestmark = pytest.mark.timeout(40)

QUICK = {"initial_delay": 1, "period": 1, "timeout": 1, "failure_threshold": 1}
BUSY = "import time\ndef init(): pass\ndef run(raw):\n    time.sleep(4)\n    return raw\n"
PATIENT = {"request_settings": {"request_timeout_ms": 8000}}


def runner() -> int:
    """The process of the one runner there is."""
    [found] = [
        child.pid
        for child in psutil.Process().children()
        if any(part.endswith("/runner") for part in child.as_dict(["cmdline"])["cmdline"] or ())
    ]
    return found


async def test_a_stuck_runner_is_restarted(crew):
    """What waits in the queue is answered by the next one."""
    await crew.start("i1", GOOD, liveness_probe=QUICK)
    await crew.until(lambda: crew.state("i1") == "ready")
    stuck = runner()
    os.kill(stuck, signal.SIGSTOP)

    await crew.ask(1)
    await crew.until(lambda: crew.by("i1") == [200])

    assert runner() != stuck


async def test_a_busy_runner_is_left_alone(crew):
    """A run of four seconds fails no probe, though it answers none."""
    await crew.start("i1", BUSY, liveness_probe=QUICK, readiness_probe=QUICK, **PATIENT)
    await crew.until(lambda: crew.state("i1") == "ready")
    busy = runner()

    await crew.ask(1)
    await crew.until(lambda: crew.by("i1") == [200])

    assert runner() == busy
    assert "unready" not in {said.state for said in crew.said["i1"]}


async def test_an_instance_that_is_not_ready_does_not_pull(crew):
    """It says why, and goes on as soon as its probe succeeds again."""
    await crew.start("i1", GOOD, readiness_probe=QUICK)
    await crew.until(lambda: crew.state("i1") == "ready")
    os.kill(runner(), signal.SIGSTOP)
    await crew.until(lambda: crew.state("i1") == "unready")
    reason = crew.said["i1"][-1].reason
    await crew.start("i2", GOOD)
    await crew.ask(10)
    await crew.until(lambda: len(crew.answers) == 10)
    os.kill(suspended(), signal.SIGCONT)
    await crew.until(lambda: crew.state("i1") == "ready")

    assert reason.startswith("the readiness probe failed")
    assert crew.by("i2") == [200] * 10
    assert [event.name for event in crew.events if event.instance == "i1"] == [
        "Ready",
        "Unready",
        "Ready",
    ]


def suspended() -> int:
    """The process that was stopped."""
    [found] = [
        child.pid
        for child in psutil.Process().children()
        if child.status() == psutil.STATUS_STOPPED
    ]
    return found


async def test_readiness_is_awaited_before_the_first_request(crew):
    """From its initial delay on; until then the instance starts."""
    await crew.start("i1", GOOD, readiness_probe=QUICK | {"success_threshold": 2})
    await crew.ask(1)

    await crew.until(lambda: crew.by("i1") == [200])

    assert crew.said["i1"][0].state == "starting"
    assert len([said for said in crew.said["i1"] if said.state == "starting"]) >= 2
