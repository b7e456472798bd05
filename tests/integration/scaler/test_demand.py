"""A word from a gateway is acted on at once, not at the next measurement."""

import asyncio

from mesh import subjects
from scaler import depth
from tests.integration.scaler.test_scaling import WORK, counts, scaled


async def test_a_word_on_demand_starts_an_instance(rig, monkeypatch):
    """Where queues are hardly ever measured by themselves, the word alone has one measured."""
    await rig.endpoint()
    await rig.create(scaled(min_instances=0))
    await rig.until(counts(0))
    await rig.stop()
    monkeypatch.setattr(depth, "PERIOD_S", 600.0)
    measured = asyncio.Queue()
    await rig.bus.subscribe(subjects.depth("iris", "blue"), measured.put)
    await rig.start()
    await measured.get()

    await rig.bus.publish(WORK, b"{}")
    await rig.bus.publish(subjects.demand("iris", "blue"))

    assert await rig.until(counts(1))


async def test_a_word_on_what_is_not_there_is_nothing(rig):
    """A deployment may be gone by the time its gateway speaks."""
    await rig.endpoint()

    await rig.bus.publish(subjects.demand("iris", "gone"))
    await rig.bus.flush()

    assert await rig.ask("endpoint.list")
