"""Runners that are probed, whatever kind of model they run. Azure's keys are whole seconds."""

import asyncio
import os
import signal

import pytest

from mesh.errors import BootError
from mesh.spec.runtime import Probe
from tests.contract.runtime.conftest import Subject
from workers.pool import Pool
from workers.probe import Probes
from workers.probed import ProbedRuntime

pytestmark = pytest.mark.timeout(60)

QUICK = Probe(initial_delay=1, period=1, timeout=1, failure_threshold=1)
PATIENT = Probe(initial_delay=1, period=1, timeout=1, failure_threshold=60)


def probed(subject: Subject, **probes: Probe) -> Pool:
    """Runners that have yet to start."""
    runtime = ProbedRuntime(subject.runtime(), Probes(**probes))
    subject.pools.append(Pool(runtime, subject.heard.callbacks))
    return subject.pools[-1]


async def test_it_is_ready_when_its_probes_have_succeeded(subject: Subject):
    """And serves as ever, while they go on."""
    pool = probed(subject, startup=PATIENT, liveness=QUICK, readiness=QUICK)

    await pool.start()

    assert pool.is_ready
    assert (await subject.call(pool, 1.0)).status == 200


async def test_one_that_is_stuck_is_replaced(subject: Subject):
    """Liveness: what it had in hand is told with its end, which says why."""
    pool = probed(subject, startup=PATIENT, liveness=QUICK)
    await pool.start()
    stuck = pool.pids[0]
    os.kill(stuck, signal.SIGSTOP)

    ended = await subject.heard.exit()
    await subject.heard.until(lambda: pool.is_ready)

    assert "the liveness probe failed once" in ended.reason
    assert stuck not in pool.pids
    assert (await subject.call(pool, 1.0)).status == 200


async def test_readiness_comes_and_goes(subject: Subject):
    """A runner that is not ready is handed nothing, and says why; it comes back by itself."""
    pool = probed(subject, startup=PATIENT, readiness=QUICK)
    await pool.start()
    os.kill(pool.pids[0], signal.SIGSTOP)
    await subject.heard.until(lambda: not pool.is_ready)
    request = subject.request(1.0)
    pool.submit(request)
    reason = pool.unready

    os.kill(pool.pids[0], signal.SIGCONT)
    answer = await subject.heard.end(request.number)

    assert reason.startswith("the readiness probe failed")
    assert answer.status == 200
    assert (pool.unready, subject.heard.exits) == ("", [])


async def test_a_start_up_that_fails_its_probe_is_a_start_that_failed(subject: Subject):
    """The other probes were held off meanwhile."""
    pool = probed(subject, startup=QUICK, readiness=QUICK)
    starting = asyncio.ensure_future(pool.start())
    await asyncio.sleep(0)  # it starts its processes at once
    os.kill(pool.pids[0], signal.SIGSTOP)

    with pytest.raises(BootError, match="the startup probe failed once"):
        await starting

    assert pool.pids == []
