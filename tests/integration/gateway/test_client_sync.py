"""The client for code that does not await, over NATS and over HTTP."""

import asyncio
import inspect
import threading

import pytest

from mesh import Client, SyncClient, jobs, wire
from mesh.client import Job, SyncJob
from mesh.errors import NotFoundError, SpecError
from tests.integration.gateway.test_client import broker_url
from tests.integration.gateway.test_client_jobs import holds

__all__ = ["broker_url"]


@pytest.fixture(params=["nats", "http"])
def where(request, server, mesh):
    """How a client connects, over either way."""
    ways = {"nats": (server.url, {}), "http": (mesh.gateway.url, {"key": "secret"})}
    return ways[request.param]


async def in_thread(where, call):
    """Do something with a client in a thread of its own."""
    url, access = where

    def work():
        with SyncClient.connect(url, **access) as client:
            return call(client)

    return await asyncio.to_thread(work)


async def test_everything_is_there(mesh, where):
    """Invoke, map, submit, status, result and cancel."""
    await mesh.work("blue")

    def call(client):
        answer = client.invoke(mesh.endpoint, {"data": 1})
        answers = client.map(mesh.endpoint, range(10), concurrency=3)
        job = client.submit(mesh.endpoint, 2)
        state = job.status().state
        job.cancel()
        again = client.job(mesh.endpoint, job.id)
        return answer.json(), [one.json() for one in answers], state, again.status().state

    found = await in_thread(where, call)

    assert found == ({"data": 1}, list(range(10)), "queued", "cancelled")


async def test_result_is_waited_for(mesh, where):
    """And errors are raised as they are."""
    worker = await mesh.work("blue", lambda message: None, lane="queued")

    def call(client):
        with pytest.raises(NotFoundError):
            client.result(mesh.endpoint, "nope")
        return client.submit(mesh.endpoint, 1).result(wait_s=8)

    waiting = asyncio.create_task(in_thread(where, call))
    await worker.arrived.wait()
    request_id = worker.seen[0].headers[wire.REQUEST_ID]
    await jobs.keep_result(mesh.bus, mesh.endpoint, request_id, b"9", {wire.STATUS: "200"})

    assert (await waiting).json() == 9


async def test_client_works_where_a_loop_runs(server, mesh):
    """As in a notebook, whose cells run inside one."""
    with SyncClient.connect(server.url) as client, pytest.raises(NotFoundError):
        client.job("iris", "nope").status()


async def test_interrupted_wait_cancels_the_request(mesh, where):
    """Whoever presses Ctrl-C leaves nothing behind; the client can be used on."""
    await mesh.traffic(blue=100)
    url, access = where
    client = await asyncio.to_thread(SyncClient.connect, url, **access)
    asking = asyncio.run_coroutine_threadsafe(
        client._target.invoke(mesh.endpoint, 1), client._awaiter._loop
    )
    await holds(mesh, 1)

    asking.cancel()

    await holds(mesh, 0)
    await asyncio.to_thread(client.close)


async def test_close_ends_what_is_under_way(mesh, where):
    """No thread is left, and a second time does no harm."""
    url, access = where
    client = await asyncio.to_thread(SyncClient.connect, url, **access)
    asking = asyncio.create_task(asyncio.to_thread(client.invoke, mesh.endpoint, 1))
    await holds(mesh, 1)

    await asyncio.to_thread(client.close)
    client.close()

    assert isinstance((await asyncio.gather(asking, return_exceptions=True))[0], BaseException)
    assert not [one for one in threading.enumerate() if one.name == "mesh-client"]


def test_failed_connection_leaves_no_thread():
    """Its error is raised."""
    with pytest.raises(SpecError):
        SyncClient.connect("http://127.0.0.1:1")

    assert not [one for one in threading.enumerate() if one.name == "mesh-client"]


@pytest.mark.parametrize(("facade", "original"), [(SyncClient, Client), (SyncJob, Job)])
def test_facade_has_every_method_and_no_description_of_its_own(facade, original):
    """What the asynchronous one can do, it can."""
    for name, method in inspect.getmembers(original, inspect.iscoroutinefunction):
        if not name.startswith("_"):
            assert inspect.getdoc(getattr(facade, name)).startswith(
                inspect.getdoc(method).split(".")[0].split(";")[0]
            )
