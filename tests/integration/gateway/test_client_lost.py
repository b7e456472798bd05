"""The client when its caller, the broker or the gateway goes away."""

import asyncio

import pytest

from mesh import Client
from mesh.client import Answer
from mesh.errors import AnswerUnknownError, BusError, MeshError, NoRespondersError
from tests.integration.gateway.test_client import broker_url, client
from tests.integration.gateway.test_client_jobs import holds
from tests.stub import echo

__all__ = ["broker_url", "client"]


async def test_cancelled_caller_cancels_its_request(mesh, client):
    """It is deleted where it waits."""
    asking = asyncio.create_task(client.invoke(mesh.endpoint, 1))
    await holds(mesh, 1)

    asking.cancel()

    await holds(mesh, 0)
    assert asking.cancelled() or (await asyncio.wait([asking]))[0] == {asking}
    await mesh.work("blue")
    assert (await client.invoke(mesh.endpoint, 2)).json() == 2


async def test_request_that_is_out_when_the_broker_goes_is_an_error(server, mesh):
    """At once: nobody knows whether it was run. The client is good for the next one."""
    async with await Client.connect(server.url) as client:
        asking = asyncio.create_task(client.invoke(mesh.endpoint, 1))
        await holds(mesh, 1)
        server.kill()

        with pytest.raises(AnswerUnknownError):
            await asking
        with pytest.raises(BusError):
            await client.invoke(mesh.endpoint, 2)

        back = asyncio.Event()
        mesh.gateway._bus.on_reconnect(_setter(back))
        server.start()
        await back.wait()
        job = await client.submit(mesh.endpoint, 3)  # waits until it is connected again
        assert job.id


async def test_request_is_queued_though_the_broker_goes(server, mesh):
    """Its client sends it again, as the same, until it is confirmed."""
    async with await Client.connect(server.url) as client:
        server.kill()
        submitting = asyncio.create_task(client.submit(mesh.endpoint, 1))
        await asyncio.sleep(0)
        server.start()

        job = await submitting
        worker = await mesh.work("blue", lane="queued")
        await worker.arrived.wait()

    assert len(worker.seen) == 1
    assert worker.seen[0].headers["Mesh-Request-Id"] == job.id


async def test_lost_gateway_is_an_error(mesh):
    """Over HTTP the connection breaks, and then there is none."""
    async with await Client.connect(mesh.gateway.url, key="secret") as client:
        asking = asyncio.create_task(client.invoke(mesh.endpoint, 1))
        await holds(mesh, 1)
        await mesh.gateway.close()

        with pytest.raises(AnswerUnknownError):
            await asking
        with pytest.raises(NoRespondersError):
            await client.invoke(mesh.endpoint, 2)


@pytest.mark.timeout(60)
async def test_broker_killed_under_a_map_leaves_answers_and_typed_errors(server, mesh):
    """Each input has its answer or an error; none is mixed up, and nothing hangs."""
    served = asyncio.Event()

    def count(message):
        if message.data == b"200":
            served.set()
        return echo(message)

    await mesh.work("blue", count)
    async with await Client.connect(server.url) as client:
        mapping = asyncio.create_task(
            client.map(mesh.endpoint, range(1000), concurrency=8, return_errors=True)
        )
        await served.wait()
        server.kill()
        server.start()
        answers = await mapping

    good = {at: one for at, one in enumerate(answers) if isinstance(one, Answer)}
    bad = [one for one in answers if not isinstance(one, Answer)]
    assert len(good) + len(bad) == 1000
    assert all(answer.json() == at for at, answer in good.items())
    assert bad
    assert all(isinstance(error, MeshError) for error in bad)


def _setter(event):
    async def note():
        event.set()

    return note
