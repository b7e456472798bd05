"""Leaving the broker: in good order while it is there, at once when it is not."""

import asyncio

import pytest

from mesh.bus import Bus


@pytest.fixture
async def server(nats_server):
    """A server of the test's own."""
    return nats_server()


async def gone(bus, server):
    """Kill the server, and wait until the connection has noticed."""
    away = asyncio.Event()
    bus.on_away(away.set)
    server.kill()
    await away.wait()


async def test_what_has_arrived_is_delivered_before_the_end(server):
    """A close is no loss: callbacks run for what is here, and what was sent goes out."""
    bus, other = [await Bus.connect(server.url, name="test") for _ in range(2)]
    heard, told = [], asyncio.Queue()

    async def take(message):
        await asyncio.sleep(0)
        heard.append(message.data)
        await bus.publish("test.told", message.data)

    await other.subscribe("test.told", told.put)
    await bus.subscribe("test.said", take)
    await bus.flush()
    await other.flush()
    for n in range(10):
        await bus.publish("test.said", b"%d" % n)
    await bus.flush()

    await bus.close()

    assert len(heard) == 10
    assert [(await told.get()).data for _ in range(10)] == heard
    await other.close()


@pytest.mark.timeout(8)
async def test_a_broker_that_is_away_keeps_nobody(server):
    """What was to be sent is given up, without an error and without waiting."""
    bus = await Bus.connect(server.url, name="test")
    await gone(bus, server)
    await bus.client.publish("test.pending", b"x")

    await bus.close()

    assert bus.closed.is_set()
    await bus.close()


@pytest.mark.timeout(8)
async def test_a_broker_that_leaves_meanwhile_keeps_nobody(server):
    """Both were told to stop at the same moment: the drain that cannot end is not waited for."""
    bus = await Bus.connect(server.url, name="test")
    busy = asyncio.Event()

    async def never(message):
        busy.set()
        await asyncio.Event().wait()

    await bus.subscribe("test.stuck", never)
    await bus.publish("test.stuck")
    await busy.wait()

    closing = asyncio.create_task(bus.close())
    await asyncio.sleep(0)
    server.kill()

    async with asyncio.timeout(2):
        await closing
    assert bus.closed.is_set()
