"""What becomes of requests when the broker goes away and comes back."""

import asyncio
import json

import pytest

from gateway.call import Call
from gateway.exchange import Exchange
from gateway.meters import Meters
from gateway.pending import Pending
from gateway.recovery import Recovery
from gateway.routes import Route, Target
from mesh import streams, subjects
from mesh.bus import Bus
from mesh.bus.outlet import Outlet
from mesh.errors import AnswerUnknownError, BusError
from mesh.records import DeploymentRecord
from mesh.spec.deployment import DeploymentSpec
from tests.stub import StubWorker


async def test_broker_away_is_503_at_once(nats_server, open_mesh):
    """A request that comes while the broker is away is refused before it is published."""
    server = nats_server()
    mesh = await open_mesh(server.url)
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)
    away = asyncio.Event()
    mesh.gateway._bus.on_away(away.set)
    server.kill()
    await away.wait()

    answer = await mesh.score()

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert json.loads(answer.body)["error"]["code"] == "bus"
    server.start()


async def test_request_outlives_the_broker(nats_server, open_mesh):
    """What was queued before a crash of the broker is answered after it."""
    server = nats_server()
    mesh = await open_mesh(server.url)
    await mesh.deploy("blue", timeout_ms=9000)
    await mesh.traffic(blue=100)
    client = await mesh.client()
    client.request("POST", mesh.path, b"patient", authorization="Bearer secret")
    stream = subjects.work_stream(mesh.endpoint, "blue")
    while not (await streams.stream_info(mesh.bus, stream))["state"]["messages"]:
        pass

    back = asyncio.Event()
    mesh.bus.on_reconnect(_setter(back))
    server.restart()
    await back.wait()
    await mesh.work("blue")

    assert (await client.answer()).body == b"patient"


def _setter(event):
    async def note():
        event.set()

    return note


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
    """The parts around a pending request, without HTTP."""

    def __init__(self, bus: Bus, endpoint: str) -> None:
        self.bus = bus
        self.pending = Pending()
        self.outlet = Outlet(bus)
        self.recovery = Recovery(bus, self.outlet, self.pending)
        spec = DeploymentSpec(name="blue", endpoint_name=endpoint)
        record = DeploymentRecord(spec=spec, generation=1)
        self.target = Target(endpoint, "blue", record, "gwbench", Meters())

    async def take(self, message):
        number = int(message.subject.rpartition(".")[2])
        self.pending.take(number, message.data, message.headers)

    def call(self) -> tuple[Call, Told]:
        exchange = Exchange(None, None, 0.0)
        exchange.route = Route(self.target.endpoint)
        exchange.method, exchange.url, exchange.headers = b"POST", exchange.route.path, {}
        told = Told()
        call = Call(exchange, Meters(), told)
        call.aim(self.target, None)
        reply = f"{self.target.reply_prefix}{self.pending.number(call)}"
        call.message = (self.target.lane_work, b"body", reply, call.fields(reply))
        self.pending.add(call, asyncio.get_running_loop().time() + 5)
        return call, told


@pytest.fixture
async def bench(nats_url, request):
    bus = await Bus.connect(nats_url, name="test")
    endpoint = f"bench-{abs(hash(request.node.name)) % 10**6}"
    spec = DeploymentSpec(name="blue", endpoint_name=endpoint)
    await streams.ensure_queue(bus, endpoint, "blue", spec.mesh.queue, spec.timeout_s)
    bench = Bench(bus, endpoint)
    await bus.subscribe(subjects.reply_wildcard("gwbench"), bench.take)
    yield bench
    bench.pending.close()
    await bus.close()


async def _acked(bench, call):
    """Wait for the PubAck; the broker's answers are the clock."""
    while call.ack is None:
        await bench.bus.flush()


async def test_unconfirmed_request_is_repeated(bench):
    """A publish that may never have arrived is sent again, and runs."""
    _, told = bench.call()
    await StubWorker(bench.bus, bench.target.endpoint, "blue").start()

    await bench.recovery.after_reconnect()

    assert await told.result == b"body"


async def test_request_still_queued_is_waited_for(bench):
    """What is in its stream will be answered: nothing is sent twice."""
    call, told = bench.call()
    bench.outlet.post(*call.message)
    await _acked(bench, call)

    await bench.recovery.after_reconnect()

    assert not told.result.done()
    worker = await StubWorker(bench.bus, bench.target.endpoint, "blue").start()
    assert await told.result == b"body"
    assert len(worker.seen) == 1


async def test_request_that_is_gone_is_given_up_honestly(bench):
    """A message that was run while we were away: its answer went nowhere."""
    call, told = bench.call()
    bench.outlet.post(*call.message)
    await _acked(bench, call)
    await streams.delete_message(bench.bus, call.stream, call.seq)

    await bench.recovery.after_reconnect()

    with pytest.raises(AnswerUnknownError):
        await told.result


async def test_repeat_of_what_was_run_is_given_up_honestly(bench):
    """The PubAck was lost, the message run: the repeat is a duplicate of nothing."""
    call, told = bench.call()
    bench.outlet.post(*call.message)
    await _acked(bench, call)
    await streams.delete_message(bench.bus, call.stream, call.seq)
    call.message, call.ack = _message(call), None

    await bench.recovery.after_reconnect()

    with pytest.raises(AnswerUnknownError):
        await told.result


def _message(call):
    reply = f"{call.target.reply_prefix}{call.number}"
    return (call.target.lane_work, b"body", reply, call.fields(reply))


async def test_outlet_refuses_when_the_broker_is_away(nats_server):
    """Nothing is buffered without a word."""
    server = nats_server()
    bus = await Bus.connect(server.url, name="test")
    outlet = Outlet(bus)
    away = asyncio.Event()
    bus.on_away(away.set)
    server.kill()
    await away.wait()

    with pytest.raises(BusError):
        outlet.post("any", b"x")

    await bus.close()
