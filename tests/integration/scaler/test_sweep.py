"""Queued requests whose time passes while no instance looks at their queue are ended."""

import msgspec
import pytest

from mesh import jobs, streams, subjects, wire
from mesh.bus import Bus
from mesh.records import JobRun
from mesh.spec.options import QueueOptions
from scaler import sweep as module
from scaler.sweep import LOOK_AHEAD, sweep
from tests.integration.scaler.conftest import deployment

HOOK = "http://127.0.0.1/hook"


@pytest.fixture
async def bus(nats_server, monkeypatch):
    """A broker with one work queue, and nobody who works; clocks agree."""
    monkeypatch.setattr(jobs, "GRACE_S", 0.0)
    bus = await Bus.connect(nats_server().url, name="test")
    await streams.ensure_topology(bus)
    await streams.ensure_queue(bus, "iris", "blue", QueueOptions(), 5.0)
    yield bus
    await bus.close()


async def queue(bus, request_id, timeout_ms=0, lane="queued"):
    """Queue a request as a gateway does."""
    headers = {wire.REQUEST_ID: request_id, wire.TIMEOUT_MS: str(timeout_ms), wire.WEBHOOK: HOOK}
    await streams.store(bus, subjects.work("iris", "blue", lane), b"body", headers)


async def left(bus):
    """How many requests the queue still holds."""
    info = await streams.stream_info(bus, subjects.work_stream("iris", "blue"))
    return info["state"]["messages"]


@pytest.mark.parametrize("lane", ["queued", "background"])
async def test_what_is_late_is_ended_as_expired(bus, lane):
    """It has its result, its body is kept, its webhook is called, and its place is free."""
    await queue(bus, "r1", lane=lane)

    assert await sweep(bus, "iris", "blue") == 1

    status = await jobs.known(bus, "iris", "r1")
    assert (status.state, status.result.headers[wire.STATUS]) == ("expired", "408")
    subject = subjects.kept_request("iris", "r1")
    assert (await streams.last_message(bus, subjects.RESULTS_STREAM, subject)).data == b"body"
    called = await streams.next_message(
        bus, subjects.WEBHOOKS_STREAM, subjects.webhook("iris", "r1"), 1
    )
    assert (called.body.decode(), await left(bus)) == (HOOK, 0)


async def test_what_has_time_stays(bus):
    """And holds up none behind it, unless there are many."""
    await queue(bus, "r1", 60_000)
    await queue(bus, "r2")
    for index in range(LOOK_AHEAD):
        await queue(bus, f"n{index}", 60_000)
    await queue(bus, "r3")

    assert await sweep(bus, "iris", "blue") == 1

    assert await left(bus) == LOOK_AHEAD + 2


async def test_what_has_been_begun_is_left_to_who_runs_it(bus):
    """Its time limit is about waiting."""
    await queue(bus, "r1")
    run = JobRun(deployment="blue", lane="queued", seq=1, attempt=1, instance="i1")
    await streams.store(bus, subjects.job_run("iris", "r1"), msgspec.json.encode(run))

    assert await sweep(bus, "iris", "blue") == 0

    assert await jobs.find_result(bus, "iris", "r1") is None


async def test_what_waits_for_a_caller_is_not_looked_at(bus):
    """Its caller knows when to stop waiting."""
    await queue(bus, "r1", lane="interactive")

    assert await sweep(bus, "iris", "blue") == 0


async def test_queue_that_is_gone_holds_nothing(bus):
    """Nor is it an error."""
    assert await sweep(bus, "iris", "green") == 0


async def test_leader_sweeps_where_no_instance_is_ready(rig, monkeypatch):
    """Without anybody asking."""
    monkeypatch.setattr(module, "PERIOD_S", 0.1)
    monkeypatch.setattr(jobs, "GRACE_S", 0.0)
    await rig.endpoint()
    await rig.create(deployment(stub="fail"))
    await queue(rig.bus, "r1")

    while (result := await jobs.find_result(rig.bus, "iris", "r1")) is None:
        pass

    assert result.headers[wire.ERROR] == "deadline_exceeded"
