"""The scaler hears at once of requests that no instance is ready for, or that are refused."""

import asyncio

from mesh import subjects, wire


class Ear:
    """Hears words on demand, and heartbeats, in their order."""

    def __init__(self, mesh):
        self._mesh = mesh
        self.heard = asyncio.Queue()

    async def listen(self):
        demand = subjects.demand(self._mesh.endpoint, "*")
        for subject in (demand, subjects.GATEWAY_HEARTBEATS):
            await self._mesh.bus.subscribe(subject, self.heard.put)
        await self._mesh.bus.flush()
        return self

    async def until_demand(self):
        """What was heard up to the next word on demand, which is the last."""
        heard = []
        while not heard or not heard[-1].subject.startswith("mesh.demand"):
            heard.append(await self.heard.get())
        return heard


async def tell(mesh, ready, **changes):
    """Let the gateway hear how many instances are ready."""
    depth = wire.Depth(endpoint=mesh.endpoint, deployment="blue", lanes={}, ready=ready, **changes)
    await mesh.bus.publish(subjects.depth(mesh.endpoint, "blue"), wire.encode(depth))
    target = mesh.gateway._routes.by_name[mesh.endpoint].targets["blue"]
    while target.depth is None or target.depth.ready != ready:
        await mesh.bus.flush()
    return target


async def test_a_request_for_nobody_is_told_once_it_is_queued(mesh):
    """When the word comes, the request is in the queue: whoever measures it sees it."""
    ear = await Ear(mesh).listen()
    await tell(mesh, ready=0)

    asking = asyncio.create_task(mesh.score())
    told = (await ear.until_demand())[-1]
    stream = await mesh.bus.api(f"STREAM.INFO.{subjects.work_stream(mesh.endpoint, 'blue')}")
    await mesh.work("blue")
    answer = await asking

    assert told.subject == subjects.demand(mesh.endpoint, "blue")
    assert stream["state"]["messages"] == 1
    assert answer.status == 200


async def test_nothing_is_told_while_somebody_is_ready(mesh):
    """A request that an instance takes anyway is no news."""
    await Ear(mesh).listen()
    await mesh.work("blue")
    await tell(mesh, ready=1)

    answer = await mesh.score()

    assert answer.status == 200
    assert mesh.gateway._demands.told == {"queued": 0, "refused": 0}


async def test_many_requests_are_told_as_one(mesh):
    """More words than the scaler has measurements would be of no use."""
    await tell(mesh, ready=0)

    asking = [asyncio.create_task(mesh.score()) for _ in range(20)]
    await mesh.work("blue")
    await asyncio.gather(*asking)

    assert 1 <= mesh.gateway._demands.told["queued"] <= 3


async def test_a_queued_request_is_told_too(mesh):
    """Nobody waits for its answer, and it is to be run all the same."""
    ear = await Ear(mesh).listen()
    await tell(mesh, ready=0)

    answer = await mesh.score(prefer="respond-async")

    assert answer.status == 202
    assert await ear.until_demand()


async def test_a_refusal_is_told_with_what_was_counted(mesh):
    """The heartbeat with the refusal in it comes before the word, so that it is decided by."""

    await mesh.deploy("blue", admission="inflight")
    ear = await Ear(mesh).listen()
    target = await tell(mesh, ready=1, slots=1)
    target.forecast.since = 100

    answer = await mesh.score()
    beat = wire.decode((await ear.until_demand())[-2].data, wire.GatewayHeartbeat)

    assert answer.status == 429
    assert beat.offered[f"{mesh.endpoint}/blue"]["refused"] == 1
