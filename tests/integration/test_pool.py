"""The runners of one instance: shared work, crashes, restarts."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh.errors import BootError
from mesh.process import Identity, wait_gone
from tests.runners import ECHO, Stage

# Runs until the file named in the body exists; "crash" ends the process.
GATE = """
import os, time
def init(): pass
def run(raw):
    if raw == "crash": os._exit(1)
    print("began", raw, flush=True)
    while raw and not os.path.exists(raw): time.sleep(0.002)
    return os.getpid()
"""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage under our own interpreter."""
    stage = Stage(tmp_path)
    yield stage
    await stage.close()


async def test_free_runner_takes_the_next_request(stage: Stage):
    """A slow request holds nobody up as long as another runner is free."""
    pool = await stage.pool(GATE, count=2)
    pool.submit(stage.request("gate"))
    await stage.heard.line("began gate")

    answers = [await stage.call(pool, "") for _ in range(5)]

    assert all(answer.status == 200 for answer in answers)
    assert stage.heard.order == [2, 3, 4, 5, 6]
    (stage.folder / "gate").touch()


async def test_requests_keep_their_order(stage: Stage):
    """One runner answers in the order in which requests came, however many wait."""
    pool = await stage.pool(ECHO)

    for _ in range(300):
        pool.submit(stage.request())
    await stage.heard.end(300)

    assert stage.heard.order == list(range(1, 301))
    assert pool.outstanding == 0


async def test_crash_harms_no_neighbour_and_is_made_good(stage: Stage):
    """The other runner goes on, the dead one is replaced."""
    pool = await stage.pool(GATE, count=2)
    pool.submit(stage.request("gate"))
    await stage.heard.line("began gate")
    before = set(pool.pids)

    pool.submit(stage.request("crash"))
    ended = await stage.heard.exit()
    await stage.heard.until(lambda: pool.ready == 2)
    (stage.folder / "gate").touch()

    assert (ended.started, ended.waiting) == ({2}, frozenset())
    assert (await stage.heard.end(1)).status == 200
    assert len(before & set(pool.pids)) == 1
    assert (await stage.call(pool, "")).status == 200


async def test_last_runner_gone_means_nothing_waits_here(stage: Stage):
    """What waited in the pool is told with the crash, so that others may take it."""
    pool = await stage.pool(GATE)
    for body in ("crash", "", ""):
        pool.submit(stage.request(body))

    ended = await stage.heard.exit()

    assert (ended.started, ended.waiting) == ({1}, {2, 3})
    assert not pool.is_ready
    await stage.heard.until(lambda: pool.is_ready)
    assert (await stage.call(pool, "")).status == 200


async def test_restart_that_fails_is_told_and_tried_again(stage: Stage):
    """The reason is the script's own, until a start succeeds."""
    broken = stage.folder / "broken"
    script = GATE.replace("def init(): pass", "def init(): assert not os.path.exists('broken')")
    pool = await stage.pool(script)
    broken.touch()

    pool.submit(stage.request("crash"))
    await stage.heard.until(lambda: pool.failure)

    assert "AssertionError" in pool.failure
    assert not pool.is_ready
    broken.unlink()
    await stage.heard.until(lambda: pool.is_ready)
    assert (pool.failure, pool.boot_failures) == ("", 0)


async def test_pool_that_cannot_start_leaves_nothing(stage: Stage):
    """One runner that does not boot stops them all."""
    script = """
        import os, time
        def init():
            print("pid", os.getpid(), flush=True)
            os.mkdir("first")  # the second one to come finds it
            time.sleep(60)
        def run(raw): pass
    """

    with pytest.raises(BootError, match="FileExistsError"):
        await stage.pool(script, count=2)

    pids = [int(line.text.split()[1]) for line in stage.heard.lines if line.text[:3] == "pid"]
    assert not await wait_gone(filter(None, map(Identity.of, pids)), 1.0)


async def test_waiting_request_can_be_cancelled(stage: Stage):
    """It ends as cancelled, without a run."""
    pool = await stage.pool(GATE)
    for body in ("gate", "second", ""):
        pool.submit(stage.request(body))

    pool.cancel(2)
    second = await stage.heard.end(2)
    (stage.folder / "gate").touch()
    await stage.heard.end(3)

    assert second.cancelled
    assert not any("second" in line.text for line in stage.heard.lines)


async def test_waiting_request_expires(stage: Stage):
    """Past its deadline it is never run."""
    pool = await stage.pool(GATE)
    pool.submit(stage.request("gate"))
    pool.submit(stage.request("late", deadline_s=10.0))

    pool.sweep(11.0)
    late = await stage.heard.end(2)
    (stage.folder / "gate").touch()
    await stage.heard.end(1)

    assert (late.expired, late.status) == (True, 408)


async def test_request_that_would_be_begun_in_vain_gives_way(stage: Stage):
    """Its deadline is still to come, but too near."""
    pool = await stage.pool(GATE)
    pool.submit(stage.request("gate"))
    pool.submit(stage.request("vain", begin_by_s=0.0))
    pool.submit(stage.request("gate"))

    (stage.folder / "gate").touch()

    assert (await stage.heard.end(2)).expired
    assert (await stage.heard.end(3)).status == 200


async def test_request_past_its_deadline_brings_one_runner_down(stage: Stage):
    """The other runner and its request are left alone."""
    pool = await stage.pool(GATE, count=2)
    deadline_s = time.monotonic() + 100
    pool.submit(stage.request("never", deadline_s=deadline_s))
    pool.submit(stage.request("gate"))
    await stage.heard.line("began never")
    await stage.heard.line("began gate")

    pool.sweep(deadline_s + 1)
    ended = await stage.heard.exit()
    (stage.folder / "gate").touch()

    assert (ended.cause, ended.stopped) == ("overdue", {1})
    assert (await stage.heard.end(2)).status == 200


@pytest.mark.parametrize("victim", [1, 2, 3])
async def test_cancelled_request_costs_nobody_else(stage: Stage, victim: int):
    """Whichever is cancelled, the others end and nothing stays behind."""
    pool = await stage.pool("""
        import asyncio
        def init(): pass
        async def run(raw):
            await asyncio.sleep(0.05)
            return raw
    """)
    for _ in range(3):
        pool.submit(stage.request())

    pool.cancel(victim)
    ends = {number: await stage.heard.end(number) for number in (1, 2, 3)}

    assert [number for number, end in ends.items() if end.cancelled] == [victim]
    assert pool.outstanding == 0


async def test_close_leaves_no_process(stage: Stage):
    """Not even one that was being started."""
    pool = await stage.pool(GATE, count=2)
    before = [Identity.of(pid) for pid in pool.pids]
    pool.submit(stage.request("crash"))
    await stage.heard.exit()

    await asyncio.gather(pool.close(1.0), pool.close(1.0))

    assert pool.pids == []
    assert not await wait_gone(filter(None, before), 1.0)
