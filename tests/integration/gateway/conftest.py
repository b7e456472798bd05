"""A gateway over a real broker, with stub workers in place of models."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from gateway.service import Gateway, bind
from mesh import streams, subjects, wire
from mesh.bus import Bucket, Bus, Message
from mesh.records import AuthRecord, DeploymentRecord, EndpointRecord
from mesh.settings import GatewaySettings
from mesh.spec.deployment import (
    DeploymentSpec,
    MeshOptions,
    ModelSpec,
    QueueOptions,
    RequestSettings,
)
from mesh.spec.endpoint import EndpointSpec
from tests.integration.gateway.bench import Bench
from tests.natssocket import NatsSocket
from tests.rawhttp import Answer, Client
from tests.stub import StubWorker, echo

KEY = "secret"
_numbers = itertools.count(1)


class Beats:
    """The gateway's heartbeats as they come."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[wire.GatewayHeartbeat] = asyncio.Queue()
        self.revision = 0

    async def take(self, message: Message) -> None:
        said = wire.decode(message.data, wire.GatewayHeartbeat)
        assert said is not None
        self._queue.put_nowait(said)

    async def next(self) -> wire.GatewayHeartbeat:
        said = await self._queue.get()
        self.revision = said.revision
        return said


class Mesh:
    """One endpoint, a gateway before it, and what a test does to them."""

    def __init__(
        self, bus: Bus, gateway: Gateway, beats: Beats, stack: contextlib.AsyncExitStack
    ) -> None:
        self.beats = beats
        self.bus = bus
        self.gateway = gateway
        self.endpoint = f"iris-{next(_numbers)}"
        self.path = f"/endpoints/{self.endpoint}/score"
        self._stack = stack

    @property
    def port(self) -> int:
        return int(self.gateway.url.rsplit(":", 1)[1])

    async def put(self, key: str, record: object) -> int:
        bucket = await Bucket.open(self.bus, subjects.CONFIG_BUCKET)
        return await bucket.put(key, msgspec.json.encode(record))

    async def traffic(self, mirror: dict[str, int] | None = None, **traffic: int) -> int:
        """Write the endpoint with this split, and wait until the gateway has applied it."""
        spec = EndpointSpec(name=self.endpoint, traffic=traffic, mirror_traffic=mirror or {})
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        await self.put(subjects.auth_key(self.endpoint), AuthRecord(digests=[digest]))
        revision = await self.put(subjects.endpoint_key(self.endpoint), EndpointRecord(spec=spec))
        await self.applied(revision)
        return revision

    async def applied(self, revision: int) -> None:
        """Wait until the gateway's heartbeat shows this revision."""
        while self.beats.revision < revision:
            await self.beats.next()

    async def deploy(
        self,
        name: str,
        *,
        model: ModelSpec | None = None,
        timeout_ms: int = 5000,
        max_messages: int = 100,
        **options: object,
    ) -> None:
        """Write a deployment and create its queue."""
        spec = DeploymentSpec(
            name=name,
            endpoint_name=self.endpoint,
            model=model,
            request_settings=RequestSettings(request_timeout_ms=timeout_ms),
            mesh=MeshOptions(queue=QueueOptions(max_messages=max_messages), **options),
        )
        await streams.ensure_queue(self.bus, self.endpoint, name, spec.mesh.queue, spec.timeout_s)
        key = subjects.deployment_key(self.endpoint, name)
        await self.applied(await self.put(key, DeploymentRecord(spec=spec, generation=1)))

    async def work(self, name: str, answer=echo, lane: str = "interactive") -> StubWorker:
        """Let a stub worker serve a deployment."""
        return await StubWorker(self.bus, self.endpoint, name, answer).start(lane)

    async def another_gateway(self) -> None:
        """Go on with a gateway of its own connection."""
        url = f"nats://{self.bus.url}"
        self.gateway, self.beats = await open_gateway(self.bus, url, self._stack)

    async def client(self) -> Client:
        client = await Client.open(self.port)
        self._stack.push_async_callback(client.close)
        return client

    async def score(self, body: bytes = b"{}", method: str = "POST", **headers: str) -> Answer:
        """Send one scoring request with the key, on a connection of its own."""
        client = await self.client()
        return await client.ask(
            method, self.path, body, **{"authorization": f"Bearer {KEY}"} | headers
        )


async def open_gateway(
    bus: Bus, url: str, stack: contextlib.AsyncExitStack, **settings: object
) -> tuple[Gateway, Beats]:
    """Start a gateway; `bus` hears its heartbeats."""
    gateway_bus = await Bus.connect(url, name="gateway")
    stack.push_async_callback(gateway_bus.close)
    gateway = Gateway(gateway_bus, GatewaySettings(port=0, drain_timeout_s=1, **settings))
    beats = Beats()
    await bus.subscribe(subjects.gateway_heartbeat(gateway.name), beats.take)
    await gateway.open(bind("127.0.0.1", 0))
    stack.push_async_callback(gateway.close)
    return gateway, beats


@pytest.fixture
async def open_mesh() -> AsyncIterator[Callable[..., Mesh]]:
    """Make a mesh on a broker: `await open_mesh(url, **gateway settings)`."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(url: str, **settings: object) -> Mesh:
            bus = await Bus.connect(url, name="test")
            stack.push_async_callback(bus.close)
            await streams.ensure_topology(bus)
            gateway, beats = await open_gateway(bus, url, stack, **settings)
            return Mesh(bus, gateway, beats, stack)

        yield make


@pytest.fixture
def broker_url(nats_url: str) -> str:
    """The broker of the mesh: where gateways share a consumer, a test has a server of its own."""
    return nats_url


@pytest.fixture
async def mesh(broker_url: str, open_mesh) -> Mesh:
    """A mesh with one deployment, blue, that gets all the traffic; nobody works yet."""
    mesh = await open_mesh(broker_url)
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)
    return mesh


@pytest.fixture
async def producer(broker_url: str) -> AsyncIterator[NatsSocket]:
    """A producer without any library."""
    producer = await NatsSocket.open(broker_url)
    yield producer
    await producer.close()


@pytest.fixture
async def bench(nats_url: str) -> AsyncIterator[Bench]:
    """A pending request's surroundings, without HTTP."""
    bench = await Bench.open(nats_url)
    yield bench
    await bench.close()
