"""A runner that is warmed up answers before it serves, whatever kind of model it runs."""

import pytest

from mesh.errors import BootError
from tests.contract.runtime.conftest import DEADLY, REFUSED, WAITS, Subject
from workers.exchange import RunRequest
from workers.pool import Pool
from workers.warmup import NUMBER, REQUEST_ID, WarmRuntime, Warmup


def warm(subject: Subject, value: float, *, requests: int = 1, timeout_s: float = 5.0) -> Pool:
    """Runners that have yet to start, and are asked this first."""
    request = RunRequest(number=NUMBER, request_id=REQUEST_ID, body=subject.body(value))
    warmup = Warmup(request=request, requests=requests, timeout_s=timeout_s)
    subject.pools.append(Pool(WarmRuntime(subject.runtime(), warmup), subject.heard.callbacks))
    return subject.pools[-1]


async def test_it_is_asked_before_it_is_ready(subject: Subject):
    """So many times, and nobody hears the answers."""
    pool = warm(subject, 7.0, requests=3)

    await pool.start()

    assert pool.is_ready
    began = [line for line in subject.heard.lines if line.text.startswith("began 7")]
    assert len(began) == 3
    assert subject.heard.outcomes == {}
    assert (await subject.call(pool, 1.0)).status == 200


async def test_an_error_fails_the_start(subject: Subject):
    """With the model's own words."""
    pool = warm(subject, REFUSED)

    with pytest.raises(BootError, match=r"warm-up, request 1 of 1: .*(?s:.*)no negatives, please"):
        await pool.start()

    assert pool.pids == []


async def test_a_crash_fails_the_start(subject: Subject):
    """Nothing else is told to have been in hand."""
    pool = warm(subject, DEADLY)

    with pytest.raises(BootError, match="warm-up, request 1 of 1: the "):
        await pool.start()

    assert all(not exit_.started | exit_.waiting for exit_ in subject.heard.exits)


async def test_one_that_takes_too_long_fails_the_start(subject: Subject):
    """The deployment's time limit is that of its warm-up."""
    pool = warm(subject, WAITS, timeout_s=0.3)

    with pytest.raises(BootError, match="no answer in"):
        await pool.start()


async def test_a_runner_that_comes_after_another_is_warmed_up_too(subject: Subject):
    """Nothing is handed to it before."""
    pool = warm(subject, 7.0)
    await pool.start()
    request = subject.request(DEADLY)

    pool.submit(request)
    await subject.heard.exit()
    await subject.heard.until(lambda: pool.is_ready)

    began = [line for line in subject.heard.lines if line.text.startswith("began 7")]
    assert len(began) == 2
    assert (await subject.call(pool, 1.0)).status == 200
