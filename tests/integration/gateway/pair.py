"""Two gateways before one endpoint, and real workers whose model does what the test says."""

import asyncio

from mesh import subjects, wire
from mesh.bus import Bucket, Bus
from mesh.clock import BrokerClock
from mesh.records import DeploymentRecord
from mesh.settings import LARGEST_BODY_BYTES
from mesh.spec.deployment import DeploymentSpec, RequestSettings
from mesh.subjects import ATTEMPTS_BUCKET, WorkerAddress
from tests.integration.gateway.conftest import KEY, open_gateway
from tests.rawhttp import Answer, Client
from workers.attempts import Attempts
from workers.bodies import Bodies
from workers.consume import Consumer
from workers.exchange import Outcome
from workers.instance import Instance
from workers.outbox import Outbox

SWEEP_S = 0.05


class Model:
    """A deployment's one instance: the real path from queue to answer, with a model in place."""

    def __init__(self, bus: Bus, endpoint: str, name: str, ran: list[tuple[str, str]]) -> None:
        self.name = name
        self.status = 200
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.is_ready = True
        self._address = WorkerAddress(endpoint, name, "i1")
        self._bus = bus
        self._ran = ran
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> "Model":
        settings = RequestSettings(max_concurrent_requests_per_instance=8)
        endpoint, name, _ = self._address
        spec = DeploymentSpec(name=name, endpoint_name=endpoint, request_settings=settings)
        instance = Instance(self._bus, self._address, DeploymentRecord(spec=spec, generation=1))
        stream = subjects.work_stream(endpoint, name)
        attempts = Attempts(await Bucket.open(self._bus, ATTEMPTS_BUCKET), stream)
        bodies = Bodies(self._bus, LARGEST_BODY_BYTES)
        outbox = Outbox(self._bus, stream)
        self._consumer = Consumer(instance, outbox, attempts, BrokerClock(), bodies)
        self._consumer.attach(self)
        await self._bus.subscribe(subjects.cancel(endpoint, name), self._cancel)
        await self._consumer.intake.open()
        self._flow = [asyncio.create_task(self._consumer.run())]
        self._flow.append(asyncio.create_task(self._sweep()))
        return self

    async def close(self) -> None:
        for task in (*self._flow, *self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._flow, *self._tasks.values(), return_exceptions=True)

    def submit(self, request) -> None:
        """The consumer hands a request over."""
        self._tasks[request.number] = asyncio.create_task(self._run(request))

    def cancel(self, number) -> None:
        """The consumer gives a request up."""
        self._tasks[number].cancel()
        self._consumer.on_result(Outcome(number=number, status=499, body=b"", cancelled=True))

    async def _run(self, request) -> None:
        self._ran.append((self.name, request.request_id))
        self.begun.set()
        await self.go.wait()
        body = b'{"by": "%s", "run": %d}' % (self.name.encode(), len(self._ran))
        self._consumer.on_result(Outcome(number=request.number, status=self.status, body=body))

    async def _cancel(self, message) -> None:
        self._consumer.cancel(wire.decode(message.data, wire.Cancel).request_id)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)  # as the service does
            self._consumer.sweep(asyncio.get_running_loop().time())


class Pair:
    """The gateways, the models, and what these ran, in order."""

    def __init__(self, mesh, stack) -> None:
        self.mesh = mesh
        self.ran: list[tuple[str, str]] = []
        self.models: dict[str, Model] = {}
        self.gateways = [mesh.gateway]
        self._stack = stack

    async def open(self, **traffic: int) -> "Pair":
        """Have these deployments, each with its model."""
        for name in traffic:
            await self.mesh.deploy(name)
        await self.mesh.traffic(**traffic)
        url = f"nats://{self.mesh.bus.url}"
        self.gateways.append((await open_gateway(self.mesh.bus, url, self._stack))[0])
        return self

    async def serve(self, *names: str) -> None:
        """Start the models of these deployments."""
        for name in names:
            model = Model(self.mesh.bus, self.mesh.endpoint, name, self.ran)
            self.models[name] = await model.start()
            self._stack.push_async_callback(model.close)

    async def client(self, gateway: int = 0) -> Client:
        client = await Client.open(int(self.gateways[gateway].url.rsplit(":", 1)[1]))
        self._stack.push_async_callback(client.close)
        return client

    async def ask(
        self, gateway: int = 0, body: bytes = b'{"x": 1}', key: str = "k1", **headers: str
    ) -> Answer:
        """Send one request to one of the gateways, on a connection of its own."""
        client = await self.client(gateway)
        given = {"authorization": f"Bearer {KEY}", "idempotency-key": key} | headers
        return await client.ask("POST", self.mesh.path, body, **given)
