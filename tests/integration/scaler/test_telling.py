"""What the scaler tells: depth to the gateways, events to everyone, and who leads."""

import asyncio

from mesh import subjects, wire
from mesh.wire import Depth, Event
from tests.integration.scaler.conftest import Rig, deployment


async def hear(bus, subject, kind):
    """A queue of what is told on a subject from now on."""
    told = asyncio.Queue()

    async def note(message):
        told.put_nowait(wire.decode(message.data, kind))

    await bus.subscribe(subject, note)
    await bus.flush()
    return told


async def until(told, holds):
    """The first of what is told that is as wanted."""
    async with asyncio.timeout(8):
        while not holds(said := await told.get()):
            pass
    return said


async def test_depth_counts_each_lane(rig):
    """What waits in each lane, and who is there for it, is told within half a second."""
    await rig.endpoint()
    await rig.create(deployment())
    await rig.settled()
    told = await hear(rig.bus, subjects.depth("iris", "blue"), Depth)

    for lane in ("interactive", "interactive", "shadow"):
        await rig.bus.publish(subjects.work("iris", "blue", lane), b"{}")
    depth = await until(told, lambda depth: sum(depth.lanes.values()) == 3)

    assert depth.lanes == {"interactive": 2, "queued": 0, "background": 0, "shadow": 1}
    assert (depth.ready, depth.slots, depth.failed) == (1, 1, "")


async def test_depth_tells_of_a_deployment_that_cannot_answer(rig):
    """Gateways learn that a deployment has failed and nobody is ready, and why in one line."""
    await rig.endpoint()
    told = await hear(rig.bus, subjects.depth("iris", "blue"), Depth)

    await rig.create(deployment(stub="fail"))
    depth = await until(told, lambda depth: depth.failed)

    assert (depth.failed, depth.ready) == ("ValueError: no model here", 0)


async def test_life_of_a_deployment_is_told(rig):
    """Every step leaves an event, in order."""
    told = await hear(rig.bus, "mesh.event.>", Event)
    await rig.endpoint()
    await rig.create(deployment())
    await rig.settled()
    await rig.ask("deployment.delete", {"endpoint": "iris", "name": "blue"})
    await until(told, lambda event: event.name == "Deleted")

    await rig.route(description="x")
    event = await until(told, lambda event: event.name == "Updated")

    assert (event.endpoint, event.deployment) == ("iris", "")
    assert event.at_s > 0


async def test_second_scaler_waits_for_the_first(rig):
    """Only one scaler answers; the next leads as soon as the first has stopped."""
    other = Rig(rig.settings, rig.bus)
    starting = asyncio.create_task(other.start())
    await rig.endpoint()
    assert not starting.done()

    await rig.stop()
    await starting
    view = await other.route(description="led by the other")
    await other.close()

    assert view.description == "led by the other"
