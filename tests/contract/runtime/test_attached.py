"""A Triton server that somebody else runs, and ends, and runs again."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from mesh.errors import BootError
from mesh.spec.runtime import Probe
from tests.runners import Heard
from tests.triton import RunningTriton, write_model
from workers.exchange import RunRequest
from workers.pool import Pool
from workers.probe import Probes
from workers.probed import ProbedRuntime
from workers.triton.runtime import AttachedRuntime

pytestmark = pytest.mark.foreign


@pytest.fixture
def running(tmp_path) -> Iterator[RunningTriton]:
    """A server of one model."""
    running = RunningTriton(tmp_path, write_model(tmp_path / "models", dims="[1]"))
    running.start()
    yield running
    running.kill()


@pytest.fixture
async def heard() -> Heard:
    """What the pool said."""
    return Heard()


@pytest.fixture
async def pool(running: RunningTriton, heard: Heard) -> AsyncIterator[Pool]:
    """A pool of one attachment."""
    pool = Pool(AttachedRuntime(running.address, frozenset({"echo"})), heard.callbacks)
    await pool.start()
    yield pool
    await pool.close(1.0)


def request(number: int, value: float = 1.0) -> RunRequest:
    """A request for the only model."""
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "data": [value]}
    body = json.dumps({"inputs": [tensor]}).encode()
    return RunRequest(number=number, request_id=f"id-{number}", body=body)


async def test_it_answers_and_has_no_process_of_its_own(pool: Pool, heard: Heard):
    """The server's memory is not the instance's."""
    pool.submit(request(1))

    assert (await heard.end(1)).status == 200
    assert pool.pids == []


async def test_a_server_that_ends_is_waited_for(pool: Pool, heard: Heard, running: RunningTriton):
    """Nothing is ready while it is away, in hand or not, and all is when it is back."""
    await asyncio.to_thread(running.kill)
    ended = await heard.exit()
    before = pool.is_ready

    await asyncio.to_thread(running.start)
    await heard.until(lambda: pool.is_ready)
    pool.submit(request(1))

    assert (ended.cause, ended.pid, before) == ("crashed", 0, False)
    assert (await heard.end(1)).status == 200


async def test_what_a_server_ends_with_has_begun(pool: Pool, heard: Heard):
    """A request that brings it down counts an attempt."""
    pool.submit(request(1, -2.0))

    ended = await heard.exit()

    assert ended.started == {1}


async def test_its_readiness_is_asked_for(heard: Heard, running: RunningTriton):
    """A server that does not answer gets nothing until it does; it is not let go for that."""
    quick = Probe(initial_delay=1, period=1, timeout=1, failure_threshold=1)
    attached = AttachedRuntime(running.address, frozenset({"echo"}))
    pool = Pool(ProbedRuntime(attached, Probes(readiness=quick)), heard.callbacks)
    await pool.start()
    running.send(signal.SIGSTOP)
    await heard.until(lambda: not pool.is_ready)
    reason = pool.unready

    running.send(signal.SIGCONT)
    await heard.until(lambda: pool.is_ready)
    pool.submit(request(1))

    assert reason.startswith("the readiness probe failed")
    assert (await heard.end(1)).status == 200
    assert heard.exits == []
    await pool.close(1.0)


@pytest.mark.parametrize("missing", ["model", "server"])
async def test_what_is_not_there_is_a_boot_failure(
    running: RunningTriton, heard: Heard, missing: str
):
    """It names the model, or the address."""
    if missing == "server":
        await asyncio.to_thread(running.kill)
    wanted = frozenset({"echo", "other"})
    pool = Pool(AttachedRuntime(running.address, wanted, timeout_s=1.0), heard.callbacks)

    with pytest.raises(BootError) as refused:
        await pool.start()

    assert running.address in refused.value.message
    assert ("other" in refused.value.message) == (missing == "model")
