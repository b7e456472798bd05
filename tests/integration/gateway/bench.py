"""A pending request on a real broker, without HTTP around it."""

import asyncio
import itertools

from gateway.call import Call
from gateway.exchange import Exchange
from gateway.meters import Meters
from gateway.pending import Pending
from gateway.recovery import Recovery
from gateway.routes import Route, Target
from gateway.withdrawal import Withdrawals
from mesh import streams, subjects
from mesh.bus import Bus, Inlet, Outlet
from mesh.records import DeploymentRecord
from mesh.spec.deployment import DeploymentSpec

_numbers = itertools.count(1)


class Told:
    """A sink that keeps what it was told."""

    def __init__(self):
        self.result = asyncio.get_running_loop().create_future()

    def acknowledged(self, entry):
        pass

    def answered(self, entry, body, headers):
        self.result.set_result(body)

    def failed(self, entry, error):
        self.result.set_exception(error)


class Bench:
    """The parts around a pending request, and a queue of its own."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.name = f"gwbench{next(_numbers)}"
        self.endpoint = f"bench-{self.name}"
        self.pending = Pending()
        self.outlet = Outlet(bus)
        self.recovery = Recovery(bus, self.outlet, self.pending)
        self.withdrawals = Withdrawals(self.outlet, self.pending)
        spec = DeploymentSpec(name="blue", endpoint_name=self.endpoint)
        record = DeploymentRecord(spec=spec, generation=1)
        self.target = Target(self.endpoint, "blue", record, self.name, Meters())

    @classmethod
    async def open(cls, url: str) -> "Bench":
        bench = cls(await Bus.connect(url, name="test"))
        queue = DeploymentSpec(name="blue", endpoint_name=bench.endpoint).mesh.queue
        await streams.ensure_queue(bench.bus, bench.endpoint, "blue", queue, 5.0)
        await Inlet.subscribe(bench.bus, subjects.reply_wildcard(bench.name), bench.take)
        return bench

    async def close(self) -> None:
        self.pending.close()
        await self.bus.close()

    def take(self, message):
        number = int(message.subject.rpartition(".")[2])
        self.pending.take(number, message.data, message.headers)

    def call(self) -> tuple[Call, Told]:
        """A request in the table whose message is not published yet."""
        exchange = Exchange(None, None, 0.0)
        exchange.route = Route(self.endpoint)
        exchange.method, exchange.url, exchange.headers = b"POST", exchange.route.path, {}
        told = Told()
        call = Call(exchange, Meters(), told)
        call.aim(self.target, None)
        self.pending.number(call)
        call.message = self.message(call)
        self.pending.add(call, asyncio.get_running_loop().time() + 5)
        return call, told

    def message(self, call: Call) -> tuple[str, bytes, str, str]:
        reply = f"{self.target.reply_prefix}{call.number}"
        return self.target.lane_work, b"body", reply, call.fields(reply)

    async def acked(self, call: Call) -> None:
        """Wait for the PubAck; the broker's answers are the clock."""
        while call.ack is None:
            await self.bus.flush()

    async def holds(self, messages: int) -> None:
        """Wait until the queue holds so many messages."""
        stream = subjects.work_stream(self.endpoint, "blue")
        while (await streams.stream_info(self.bus, stream))["state"]["messages"] != messages:
            pass
