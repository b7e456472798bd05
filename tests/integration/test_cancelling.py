"""Cancelling queued requests while a worker takes and runs them: each ends once."""

import asyncio

import pytest

from mesh import jobs, kept, subjects, wire
from mesh.bus import Bus
from mesh.errors import ConflictError
from mesh.records import JobRecord
from mesh.spec.options import QueueOptions
from mesh.streams import ensure_queue, ensure_topology, store
from tests.integration.test_consume import Stage
from tests.integration.test_keeping import is_done

MANY = 200


@pytest.fixture
async def stage(server):
    """A worker's consumer with four slots, on a server of the test's own."""
    bus = await Bus.connect(server.url, name="test")
    await ensure_topology(bus)
    await ensure_queue(bus, "iris", "blue", QueueOptions(), 60.0)
    stage = Stage(bus, 4)
    await bus.subscribe(subjects.cancel("iris", "blue"), hear_for(stage))
    await stage.set_up()
    yield stage
    await stage.tear_down()
    await bus.close()


def hear_for(stage):
    """Tell the consumer what is cancelled, as the worker's service does."""

    async def hear(message):
        stage.consumer.cancel(wire.decode(message.data, wire.Cancel).request_id)

    return hear


async def put(stage, request_id):
    """Queue a request and note its place, as a gateway does."""
    headers = {wire.REQUEST_ID: request_id, wire.TIMEOUT_MS: "60000"}
    ack = await store(stage.bus, subjects.work("iris", "blue", "queued"), b"{}", headers)
    record = JobRecord(deployment="blue", timeout_s=60.0, seq=int(ack["seq"]))
    await jobs.note(stage.bus, "iris", request_id, record)


async def cancel(stage, request_id):
    """Cancel one; tell whether that is how it ended."""
    try:
        await kept.cancel(stage.bus, "iris", request_id)
    except ConflictError:
        return False
    return True


async def work_on(stage):
    """Answer whatever is begun, for ever."""
    for index in range(MANY):
        await stage.until(lambda index=index: len(stage.given) > index)
        stage.answer(index)


async def test_two_hundred_cancelled_while_they_run_end_once_each(stage):
    """Cancelled if the one who asked was told so, else done; nothing is left in the queue."""
    names = [f"r{number}" for number in range(MANY)]
    working = asyncio.create_task(work_on(stage))
    await asyncio.gather(*(put(stage, name) for name in names))

    cancelled = await asyncio.gather(*(cancel(stage, name) for name in names))

    await is_done(stage)
    working.cancel()
    for name, was_cancelled in zip(names, cancelled, strict=True):
        status = await jobs.status(stage.bus, "iris", name)
        assert status.state == ("cancelled" if was_cancelled else "done")
