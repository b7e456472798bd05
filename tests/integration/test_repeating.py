"""Queued requests whose model answers with an error: tried again as their deployment says."""

import asyncio

import pytest

from mesh import jobs, wire
from mesh.bus import Bus
from mesh.spec.options import MeshOptions, QueueOptions, RetryOptions
from mesh.streams import ensure_queue, ensure_topology
from tests.integration.test_consume import Stage
from tests.integration.test_keeping import is_done, result_of, send

RETRY = RetryOptions(max_attempts=3, initial_delay_s=0.2, max_delay_s=0.3, statuses=[500, 503])


@pytest.fixture
async def make_stage(server):
    """Make consumers with one slot, on a server of the test's own."""
    bus = await Bus.connect(server.url, name="test")
    await ensure_topology(bus)
    await ensure_queue(bus, "iris", "blue", QueueOptions(), 2.0)
    stages: list[Stage] = []

    async def make(retry: RetryOptions = RETRY) -> Stage:
        stages.append(Stage(bus, 1, MeshOptions(retry=retry)))
        await stages[-1].set_up()
        return stages[-1]

    yield make
    for stage in stages:
        await stage.tear_down()
    await bus.close()


async def fail(stage, index, status=500):
    """Have the run of this number end with an error, once it has begun."""
    await stage.until(lambda: len(stage.given) > index)
    stage.answer(index, b"error %d" % index, status=status)


async def test_success_of_a_later_run_is_the_result(make_stage):
    """It comes no sooner than the delay, and says which run it was."""
    stage = await make_stage()
    loop = asyncio.get_running_loop()
    await send(stage)
    await fail(stage, 0)
    failed_at_s = loop.time()

    await stage.until(lambda: len(stage.given) > 1)
    waited_s = loop.time() - failed_at_s
    stage.answer(1)

    result = await result_of(stage)
    assert (result.data, result.headers[wire.ATTEMPT]) == (b"ok", "2")
    assert waited_s >= 0.19
    await is_done(stage)


async def test_last_error_is_the_result(make_stage):
    """After `max_attempts` runs; none of them counts as a crash, so nothing is dead-lettered."""
    stage = await make_stage()
    await send(stage)

    for index in range(3):
        await fail(stage, index)

    result = await result_of(stage)
    assert (result.data, result.headers[wire.ERROR]) == (b"error 2", "model_error")
    assert result.headers[wire.ATTEMPT] == "3"
    await is_done(stage)
    assert (len(stage.given), stage.dead) == (3, [])


async def test_crash_between_errors_counts_apart(make_stage):
    """One crash leaves the number of errors as it is."""
    stage = await make_stage()
    await send(stage)
    await fail(stage, 0)
    await stage.until(lambda: len(stage.given) > 1)
    stage.crash(started=[1])

    await fail(stage, 2)
    await fail(stage, 3)

    result = await result_of(stage)
    assert (result.data, result.headers[wire.ATTEMPT]) == (b"error 3", "4")
    await is_done(stage)


async def test_count_survives_the_worker(make_stage):
    """Another instance goes on where the first one was."""
    first = await make_stage()
    await send(first)
    await fail(first, 0)
    await fail(first, 1)
    await first.consumer.drain(1.0)
    second = await make_stage()

    await fail(second, 0, status=503)

    assert (await result_of(second)).headers[wire.ATTEMPT] == "3"
    await is_done(second)


async def test_run_is_told_of_with_its_number(make_stage):
    """Whoever asks for the request sees which run it is."""
    stage = await make_stage()
    await send(stage)
    await fail(stage, 0)
    await stage.until(lambda: len(stage.given) > 1)

    attempt = 1
    while attempt == 1:
        attempt = (await jobs.status(stage.bus, "iris", "r1")).attempt

    assert attempt == 2


@pytest.mark.parametrize(
    ("retry", "timeout_ms", "status"),
    [
        pytest.param(RetryOptions(), "60000", 500, id="off by default"),
        pytest.param(RETRY, "60000", 418, id="another status"),
        pytest.param(
            RetryOptions(max_attempts=3, initial_delay_s=5), "4000", 500, id="it would be too late"
        ),
    ],
)
async def test_first_error_is_the_result(make_stage, retry, timeout_ms, status):
    """Where the deployment does not ask for more, or the time limit leaves no time."""
    stage = await make_stage(retry)
    await send(stage, Mesh_Timeout_Ms=timeout_ms)

    await fail(stage, 0, status)

    assert (await result_of(stage)).data == b"error 0"
    await is_done(stage)


async def test_interactive_request_is_never_tried_again(make_stage):
    """Its caller waits, and decides."""
    stage = await make_stage()
    await stage.send(1)

    await fail(stage, 0)

    await stage.until(lambda: stage.answers)
    await stage.until_left(0)
    assert stage.answers[0].headers[wire.STATUS] == "500"
