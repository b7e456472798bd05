"""What every runtime holds, whatever kind of model it runs."""

import asyncio
import os
import signal
import time

import pytest

from mesh.errors import BootError
from mesh.process import Identity, wait_gone
from tests.contract.runtime.conftest import DEADLY, REFUSED, WAITS, Subject


async def test_it_boots_and_answers(subject: Subject):
    """Once started it is ready, and answers as many requests at once as it is given."""
    pool = await subject.started()

    answers = await asyncio.gather(*(subject.call(pool, float(n)) for n in range(20)))

    assert pool.is_ready
    assert [answer.status for answer in answers] == [200] * 20
    assert [subject.value(answer.body) for answer in answers] == list(range(20))
    assert pool.outstanding == 0


async def test_an_error_is_an_answer(subject: Subject):
    """What the model refuses ends with an error status; it goes on."""
    pool = await subject.started()

    refused = await subject.call(pool, REFUSED)
    after = await subject.call(pool, 1.0)

    assert refused.status >= 400
    assert after.status == 200


async def test_boot_failure_says_why(subject: Subject):
    """The model's own words are in the error, and nothing is left."""
    subject.broken.touch()
    pool = subject.pool()

    with pytest.raises(BootError, match="no such weights"):
        await pool.start()

    assert pool.pids == []
    assert subject.heard.exits


async def test_console_lines_arrive(subject: Subject):
    """What the model prints comes as lines."""
    await subject.started()

    line = await subject.heard.line("loaded")

    assert line.stream in ("stdout", "stderr")


async def test_cancelled_request_ends_alone(subject: Subject):
    """A request that is cancelled while it runs ends, and costs nobody else."""
    pool = await subject.started()
    request = subject.request(WAITS)
    pool.submit(request)
    await subject.heard.line(f"began {WAITS}")

    pool.cancel(request.number)
    ended = await subject.heard.end(request.number)
    subject.gate.touch()

    assert ended.cancelled
    assert (await subject.call(pool, 1.0)).status == 200


async def test_request_past_its_deadline_ends(subject: Subject):
    """A sweep after the deadline ends what runs; the runner lives on if it can be cancelled."""
    pool = await subject.started()
    deadline_s = time.monotonic() + 0.2
    request = subject.request(WAITS, deadline_s=deadline_s)
    pool.submit(request)
    await subject.heard.line(f"began {WAITS}")

    pool.sweep(deadline_s + 0.01)
    ended = await subject.heard.end(request.number)

    assert ended.cancelled
    assert not subject.heard.exits


async def test_crash_tells_what_had_begun_and_is_made_good(subject: Subject):
    """kill -9 of the process: every request in hand is told as begun, then it serves again."""
    pool = await subject.started()
    requests = [subject.request(WAITS) for _ in range(3)]
    for request in requests:
        pool.submit(request)
    await subject.heard.line(f"began {WAITS}")

    os.kill(pool.pids[0], signal.SIGKILL)
    ended = await subject.heard.exit()
    subject.gate.touch()
    await subject.heard.until(lambda: pool.is_ready)

    assert ended.cause == "crashed"
    assert "SIGKILL" in ended.reason
    numbers = {request.number for request in requests}
    assert ended.started | ended.waiting == numbers
    assert ended.started
    assert (await subject.call(pool, 1.0)).status == 200


async def test_deadly_request_is_told_with_the_exit(subject: Subject):
    """A request that brings the process down has begun."""
    pool = await subject.started()
    request = subject.request(DEADLY)

    pool.submit(request)
    ended = await subject.heard.exit()

    assert ended.started == {request.number}


async def test_close_lets_what_runs_finish(subject: Subject):
    """A request in hand is answered before the process leaves."""
    pool = await subject.started()
    request = subject.request(WAITS)
    pool.submit(request)
    await subject.heard.line(f"began {WAITS}")

    closing = asyncio.create_task(pool.close(20.0))
    await asyncio.sleep(0)
    subject.gate.touch()
    await closing

    assert subject.heard.outcomes[request.number][-1].status == 200


async def test_close_leaves_no_process(subject: Subject):
    """Neither the process nor what it has started."""
    pool = await subject.started()
    processes = [Identity.of(pid) for pid in pool.pids]

    await pool.close(5.0)

    assert pool.pids == []
    assert not await wait_gone(filter(None, processes), 1.0)
