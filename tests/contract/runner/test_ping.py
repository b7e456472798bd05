"""What a runner process says when it is asked for a sign of life, under every interpreter."""

import asyncio
import os
import signal

import pytest

SYNC = """
import os, time

def init(): pass

def run(raw):
    print("began", flush=True)
    while not os.path.exists(raw):
        time.sleep(0.002)
    return raw
"""
# Compiled code that keeps the interpreter's lock: no other thread of the process runs meanwhile.
LOCKED = """
import re

def init(): pass

def run(raw):
    print("began", flush=True)
    re.match("(a+)+$", "a" * 24 + "b")
    return raw
"""
ASYNC = """
import asyncio, os

async def init(): pass

async def run(raw):
    print("began", flush=True)
    while not os.path.exists(raw):
        await asyncio.sleep(0.002)
    return raw
"""


async def answers(runner, within_s: float) -> bool:
    """Whether it answers a ping in this time."""
    try:
        async with asyncio.timeout(within_s):
            return await runner.ping("live")
    except TimeoutError:
        return False


@pytest.mark.parametrize("script", [SYNC, ASYNC], ids=["sync", "async"])
async def test_it_answers_when_nothing_runs(stage, script):
    """Again and again."""
    runner = await stage.runner(script)

    assert [await answers(runner, 5.0) for _ in range(3)] == [True, True, True]
    assert not runner.is_busy


async def test_an_async_script_answers_while_requests_run(stage):
    """They do not keep its loop."""
    runner = await stage.runner(ASYNC)
    gate = stage.folder / "gate"
    request = stage.request(str(gate))
    runner.submit(request)
    await stage.heard.line("began")

    assert await answers(runner, 5.0)
    gate.touch()
    await stage.heard.end(request.number)


@pytest.mark.parametrize("script", [SYNC, LOCKED], ids=["sleeps", "locked"])
async def test_a_sync_script_answers_after_its_request(stage, script):
    """Until then it is busy, for as long as a run may take."""
    runner = await stage.runner(script, run_limit_s=60.0)
    gate = stage.folder / "gate"
    request = stage.request(str(gate))
    runner.submit(request)
    await stage.heard.line("began")

    assert not await answers(runner, 0.2)
    assert runner.is_busy
    gate.touch()
    await stage.heard.end(request.number)
    assert await answers(runner, 5.0)
    assert not runner.is_busy


async def test_one_that_has_had_its_time_is_not_busy(stage):
    """It is stuck, as far as anybody can tell."""
    runner = await stage.runner(SYNC, run_limit_s=0.1, hard_timeout=False)
    request = stage.request(str(stage.folder / "gate"))
    runner.submit(request)
    await stage.heard.line("began")

    assert not await answers(runner, 0.2)
    assert not runner.is_busy


async def test_a_process_that_does_not_run_does_not_answer(stage):
    """It is not busy either; when it runs again it answers what it was asked before."""
    runner = await stage.runner(SYNC, run_limit_s=60.0)
    os.kill(runner.pid, signal.SIGSTOP)

    assert not await answers(runner, 0.2)
    assert not runner.is_busy
    os.kill(runner.pid, signal.SIGCONT)
    assert await answers(runner, 5.0)


async def test_one_that_is_stopped_says_why(stage):
    """Its requests are told with the end; a stopped process is ended too."""
    runner = await stage.runner(SYNC)
    os.kill(runner.pid, signal.SIGSTOP)

    runner.stop("the liveness probe failed once")
    ended = await stage.heard.exit()

    assert (ended.cause, ended.reason) == ("unhealthy", "the liveness probe failed once")
