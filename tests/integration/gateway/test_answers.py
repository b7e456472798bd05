"""Answers to direct producers while the broker is out of reach."""

import asyncio

import pytest

from gateway.answers import Answers, Letter
from mesh.bus import Bus, Outlet
from tests.chaos.proxy import Proxy
from tests.natssocket import NatsSocket

SOON_S = 5.0


@pytest.fixture
async def link(nats_url):
    """A way to the broker that can be cut, and a connection that takes it."""
    proxy = Proxy(int(nats_url.rpartition(":")[2]))
    bus = await Bus.connect(await proxy.start(), name="gateway")
    yield proxy, bus
    await bus.close()
    await proxy.close()


@pytest.fixture
async def producer(nats_url):
    """A producer that hears every answer by now."""
    producer = await NatsSocket.open(nats_url)
    producer.subscribe("told.*")
    await producer.request("$JS.API.INFO", b"")
    yield producer
    await producer.close()


async def test_answers_are_held_until_the_broker_is_back(link, producer):
    """In order, once each; what nobody waits for any more is not sent."""
    proxy, bus = link
    answers, away = Answers(bus, Outlet(bus)), asyncio.Event()
    bus.on_away(away.set)
    proxy.cut()
    await away.wait()

    now_s = asyncio.get_running_loop().time()
    for name, due_s in (("a", now_s + 9.0), ("late", now_s), ("b", now_s + 9.0)):
        answers.send(Letter(f"told.{name}", name.encode(), "", due_s))
    proxy.mend()

    told = [await asyncio.wait_for(producer.next(), SOON_S) for _ in range(2)]
    assert [one.subject for one in told] == ["told.a", "told.b"]
    assert len(answers) == 0
