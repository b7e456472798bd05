"""The client's jobs, over NATS and over HTTP: what has become of a queued request."""

import asyncio

import msgspec
import pytest

from mesh import streams, subjects, wire
from mesh.errors import (
    CancelledRequestError,
    ConflictError,
    DeadlineExceededError,
    NotFoundError,
)
from mesh.records import JobRun
from tests.integration.gateway.test_client import broker_url, client, finish

__all__ = ["broker_url", "client"]


async def holds(mesh, number, deployment="blue"):
    """Wait until so many messages are in the queue."""
    stream = subjects.work_stream(mesh.endpoint, deployment)
    while (await streams.stream_info(mesh.bus, stream))["state"]["messages"] != number:
        pass


async def submitted(mesh, client, **options):
    """Queue a request, and wait until it is in the lane."""
    job = await client.submit(mesh.endpoint, {"data": 1}, **options)
    await holds(mesh, 1)
    return job


async def test_status_follows_a_job(mesh, client):
    """Queued, running, done; with what is known of it."""
    job = await submitted(mesh, client, timeout_s=60)
    queued = await job.status()
    assert (queued.id, queued.state, queued.deployment) == (job.id, "queued", "blue")
    assert (queued.expires_at - queued.submitted_at).total_seconds() == pytest.approx(60, abs=1)

    run = JobRun(deployment="blue", lane="queued", seq=1, attempt=2, instance="i1")
    await streams.store(mesh.bus, subjects.job_run(mesh.endpoint, job.id), msgspec.json.encode(run))
    running = await job.status()
    assert (running.state, running.attempt, running.has_ended) == ("running", 2, False)

    await finish(mesh, job.id)
    done = await job.status()
    assert (done.state, done.has_ended) == ("done", True)


async def test_job_may_be_awaited(mesh, client):
    """For as long as it takes."""
    job = await submitted(mesh, client)
    waiting = asyncio.ensure_future(job.result(wait_s=None))
    await mesh.bus.flush()

    await finish(mesh, job.id)

    assert (await waiting).json() == "done"
    assert (await job).json() == "done"


async def test_job_may_be_cancelled_at_once(mesh, client):
    """Also before any gateway knows of it."""
    for _ in range(20):
        job = await client.submit(mesh.endpoint, {"data": 1}, not_before=60)
        await job.cancel()

        assert (await job.status()).state == "cancelled"


async def test_cancelled_job_has_ended(mesh, client):
    """It leaves the queue; its result says so; a second time it has ended already."""
    job = await submitted(mesh, client)

    await job.cancel()

    await holds(mesh, 0)
    assert (await job.status()).state == "cancelled"
    with pytest.raises(CancelledRequestError):
        await job
    with pytest.raises(ConflictError, match="cancelled"):
        await job.cancel()


async def test_unknown_job_is_raised(mesh, client):
    """Whatever is asked of it."""
    job = client.job(mesh.endpoint, "nope")

    for call in (job.status, job.cancel, job.result):
        with pytest.raises(NotFoundError):
            await call()


async def test_job_that_nobody_ran_in_time_is_not_waited_for(mesh, client):
    """Its time is over: whoever waits for it is told, and waits no longer."""
    job = await submitted(mesh, client, timeout_s=0.05)

    with pytest.raises(DeadlineExceededError):
        await job

    assert (await job.status()).state == "expired"


async def test_low_priority_is_another_lane(mesh, client):
    """What nothing else waits for."""
    worker = await mesh.work("blue", lane="background")

    job = await client.submit(mesh.endpoint, 1, priority="low")

    await worker.arrived.wait()
    assert worker.seen[0].headers[wire.REQUEST_ID] == job.id
    assert (await job.status()).lane == "background"


async def test_job_is_found_by_its_id(mesh, client):
    """In another program, or after a restart."""
    job = await submitted(mesh, client)
    await finish(mesh, job.id)

    again = client.job(mesh.endpoint, job.id)

    assert (await again.result()).json() == "done"
