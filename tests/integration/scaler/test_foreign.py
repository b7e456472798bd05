"""Instances that another host, or a person, has started: counted, told and drained by message."""

import asyncio
import contextlib

import pytest
from msgspec.structs import replace

from mesh import subjects, wire
from mesh.subjects import WorkerAddress
from mesh.wire import Event, WorkerHeartbeat
from scaler import foreign
from tests.integration.scaler.conftest import deployment

pytestmark = pytest.mark.timeout(30)
BEAT_S = 0.25


class Stranger:
    """An instance on another host: it beats until it is asked to stop, or lost."""

    def __init__(self, bus, name="elsewhere-1", generation=1, **changes):
        self.address = WorkerAddress("iris", "blue", name)
        self.reasons = asyncio.Queue()
        self._bus = bus
        self._said = WorkerHeartbeat(
            **self.address._asdict(),
            **{"generation": generation, "state": "ready", "slots": 1, "host": "far"} | changes,
        )

    async def __aenter__(self):
        subject = subjects.drain(self.address)
        self._subscription = await self._bus.subscribe(subject, self._drain)
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await self._subscription.unsubscribe()

    async def _beat(self):
        while True:
            await self._say(self._said)
            await asyncio.sleep(BEAT_S)

    async def _say(self, said):
        await self._bus.publish(subjects.worker_heartbeat(self.address), wire.encode(said))

    async def _drain(self, message):
        self._task.cancel()
        self.reasons.put_nowait(message.data.decode())


def names(view):
    return sorted(one.instance for one in view.instances)


@pytest.fixture
async def told(rig):
    """The names and instances of events, as they come."""
    events = asyncio.Queue()

    async def hear(message):
        event = wire.decode(message.data, Event)
        events.put_nowait((event.name, event.instance))

    await rig.bus.subscribe(subjects.event("iris", "blue"), hear)
    await rig.endpoint()
    return events


async def until(told, name, instance):
    """Wait for an event of an instance."""
    while await told.get() != (name, instance):
        pass


@contextlib.asynccontextmanager
async def only(rig):
    """A stranger that, being busy, has taken the place of ours."""
    await rig.create(deployment())
    await rig.settled()
    async with Stranger(rig.bus, in_flight=3) as stranger:
        await rig.until(lambda view: names(view) == ["elsewhere-1"])
        yield stranger


async def test_an_instance_of_another_host_holds_a_place(rig, told):
    """The busy one stays and ours goes; of two that are wanted then, one is started."""
    async with only(rig) as stranger:
        await rig.update(deployment(instance_count=2))
        view = await rig.until(lambda view: view.ready_instances == 2)
        await until(told, "Joined", "elsewhere-1")
        page = await rig.metrics('mesh_instances_foreign{deployment="blue",endpoint="iris"} 1.0')

    assert "mesh_spare_starts_total 0.0" in page
    assert len(view.instances) == 2
    assert stranger.reasons.empty()


async def test_a_busy_instance_is_not_drained_for_one_that_comes_back(rig, told):
    """One that finds its place taken goes before it stops one that works."""
    async with only(rig) as busy, Stranger(rig.bus, "back-again") as idle:
        reason = await idle.reasons.get()

    assert reason == "1 wanted"
    assert busy.reasons.empty()


async def test_what_falls_silent_is_replaced(rig, told):
    """A host that is gone says nothing any more; its instance is started here."""
    async with only(rig):
        pass
    began_s = asyncio.get_running_loop().time()

    view = await rig.until(lambda view: any(name.startswith("g1-") for name in names(view)))
    took_s = asyncio.get_running_loop().time() - began_s
    await until(told, "Lost", "elsewhere-1")

    assert len(view.instances) == 1
    assert foreign.LOST_S - 2 * BEAT_S < took_s < foreign.LOST_S + 5


async def test_surplus_elsewhere_is_drained_by_message(rig, told):
    """Of two where one is wanted, the one that has less to do is asked to stop, once."""
    await rig.create(deployment())
    await rig.settled()

    async with Stranger(rig.bus, state="starting") as stranger:
        reason = await stranger.reasons.get()
        await until(told, "Killing", "elsewhere-1")

    assert reason == "1 wanted"
    assert stranger.reasons.empty()


async def test_a_persons_instance_takes_the_place_of_ours(rig, told):
    """It does not count before it serves; then ours, as idle as it is, makes room."""
    await rig.create(deployment())
    [ours] = (await rig.settled()).instances

    async with Stranger(rig.bus, by_hand=True, state="starting"):
        await rig.until(lambda view: len(view.instances) == 2)
    async with Stranger(rig.bus, by_hand=True) as stranger:
        await until(told, "Killing", ours.instance)
        await rig.until(lambda view: names(view) == ["elsewhere-1"])

    assert stranger.reasons.empty()


async def test_an_older_generation_elsewhere_is_drained(rig, told):
    """Instances started by hand follow rollouts: what is not to serve is asked to stop."""
    await rig.create(deployment())
    await rig.settled()
    await rig.update(replace(deployment(), environment_variables={"STUB": "ok", "A": "b"}))
    await rig.until(lambda view: view.generation == 2 and view.provisioning_state == "Succeeded")

    async with Stranger(rig.bus, generation=1) as stranger:
        reason = await stranger.reasons.get()

    assert reason == "generation 1 is not to serve"


async def test_what_is_drained_elsewhere_makes_room_for_the_removal(rig, told):
    """A deployment goes when the last of its instances has gone, wherever that was."""
    await rig.create(deployment())
    await rig.settled()

    async with Stranger(rig.bus) as stranger:
        await rig.until(lambda view: "elsewhere-1" in names(view))
        await rig.ask("deployment.delete", {"endpoint": "iris", "name": "blue"})
        await stranger.reasons.get()
    await rig.until(lambda view: view is None)
