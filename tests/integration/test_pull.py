"""The pull loop's credit, against a real server."""

import asyncio

import pytest

from mesh import subjects
from mesh.bus import Bus
from mesh.spec.options import QueueOptions
from mesh.streams import consumer_info, ensure_queue
from workers.pull import Puller

STREAM = "WORK_iris_blue"


class Catcher:
    """Keeps what a puller delivers and acknowledges it."""

    def __init__(self, bus: Bus):
        self._bus = bus
        self.bodies: list[bytes] = []
        self.notes = 0
        self._told = asyncio.Event()
        self._acks: set[asyncio.Task] = set()

    def deliver(self, delivery):
        if delivery is None:
            self.notes += 1
        else:
            self.bodies.append(delivery.message.data)
            task = asyncio.ensure_future(self._bus.publish(delivery.message.reply, b"+ACK"))
            self._acks.add(task)
        self._told.set()

    async def until(self, condition):
        while not condition():
            self._told.clear()
            await self._told.wait()
        await asyncio.gather(*self._acks)


@pytest.fixture
async def server(nats_server):
    """A server of the test's own with one deployment's queue."""
    server = nats_server()
    bus = await Bus.connect(server.url, name="setup")
    await ensure_queue(bus, "iris", "blue", QueueOptions(), 5.0)
    await bus.close()
    return server


async def publish(bus: Bus, count: int, start: int = 0):
    for number in range(start, start + count):
        await bus.publish(subjects.work("iris", "blue", "interactive"), b"%d" % number)


async def test_credit_is_what_the_broker_may_still_send(bus):
    """It falls by one with each message and never below zero."""
    catcher = Catcher(bus)
    puller = Puller(bus, STREAM, catcher.deliver)
    await puller.start()
    await puller.pull("interactive", 5)
    await publish(bus, 3)
    await catcher.until(lambda: len(catcher.bodies) == 3)

    assert puller.credit["interactive"] == 2
    await publish(bus, 4, start=3)
    await catcher.until(lambda: len(catcher.bodies) == 5)
    assert puller.credit["interactive"] == 0
    await puller.drain()


async def test_an_expired_pull_gives_its_credit_back(bus, monkeypatch):
    """The broker says exactly how much of it was not used."""
    monkeypatch.setattr("workers.pull.EXPIRES_S", 0.3)
    monkeypatch.setattr("workers.pull.HEARTBEAT_S", 0.1)
    catcher = Catcher(bus)
    puller = Puller(bus, STREAM, catcher.deliver)
    await puller.start()
    await puller.pull("interactive", 4)
    await publish(bus, 1)

    await catcher.until(lambda: catcher.notes)

    assert (puller.credit["interactive"], len(catcher.bodies)) == (0, 1)
    await puller.drain()


async def test_a_queue_that_is_gone_is_tried_again_later(bus):
    """No consumer: the credit is back at once and no pull is sent for a while."""
    catcher = Catcher(bus)
    puller = Puller(bus, "WORK_no_such", catcher.deliver)
    await puller.start()
    await puller.pull("interactive", 4)

    await catcher.until(lambda: catcher.notes)

    assert puller.credit["interactive"] == 0
    assert not puller.can_pull("interactive")
    await puller.drain()


async def test_drain_under_load_orphans_nothing(bus):
    """What is on its way is handed over; the rest stays in the queue, waiting."""
    catcher = Catcher(bus)
    puller = Puller(bus, STREAM, catcher.deliver)
    await puller.start()
    await puller.pull("interactive", 300)
    await publish(bus, 500)

    await puller.drain()
    await catcher.until(lambda: True)
    await bus.flush()

    info = await consumer_info(bus, STREAM, "interactive")
    assert info["num_ack_pending"] == 0
    assert len(catcher.bodies) + info["num_pending"] == 500


async def test_drain_in_a_steady_flow_loses_and_repeats_nothing(bus):
    """It ends when the credit does, or when nothing comes: no message is left to its ack wait."""
    catcher, over = Catcher(bus), asyncio.Event()

    async def flow():
        count = 0
        while not over.is_set():
            await publish(bus, 20, start=count)
            await bus.flush()
            count += 20

    flowing = asyncio.create_task(flow())
    for turn in range(1, 21):
        puller = Puller(bus, STREAM, catcher.deliver)
        await puller.start()
        await puller.pull("interactive", 64)
        await catcher.until(lambda turn=turn: len(catcher.bodies) >= 40 * turn)
        await puller.drain()
    over.set()
    await flowing
    await catcher.until(lambda: True)
    await bus.flush()

    info = await consumer_info(bus, STREAM, "interactive")
    assert info["num_ack_pending"] == 0
    assert len(catcher.bodies) == info["delivered"]["consumer_seq"] == 20 * 64


async def test_pulls_live_again_after_a_restart_of_the_broker(server, bus):
    """A new inbox and new pulls; nothing is lost."""
    catcher = Catcher(bus)
    puller = Puller(bus, STREAM, catcher.deliver)
    await puller.start()
    await puller.pull("interactive", 5)
    back = asyncio.Event()

    async def restart():
        await puller.start()
        back.set()

    bus.on_reconnect(restart)
    server.kill()
    server.start()
    await back.wait()

    assert puller.credit["interactive"] == 0
    await puller.pull("interactive", 5)
    await publish(bus, 5)
    await catcher.until(lambda: len(catcher.bodies) == 5)
    await puller.drain()
