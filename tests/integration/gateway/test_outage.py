"""What becomes of requests when the broker goes away and comes back."""

import asyncio
import json

import pytest

from mesh import streams, subjects, wire
from mesh.bus import Bus, Outlet
from mesh.errors import AnswerUnknownError, BusError
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

    back = [asyncio.Event(), asyncio.Event()]
    for bus, event in zip((mesh.bus, mesh.gateway._bus), back, strict=True):
        bus.on_reconnect(_setter(event))
    server.restart()
    for event in back:  # an answer before the gateway is back would reach nobody
        await event.wait()
    await mesh.work("blue")

    assert (await client.answer()).body == b"patient"


def _setter(event):
    async def note():
        event.set()

    return note


async def test_unconfirmed_request_is_repeated(bench):
    """A publish that may never have arrived is sent again, and runs."""
    _, told = bench.call()
    await StubWorker(bench.bus, bench.target.endpoint, "blue").start()

    await bench.recovery.after_reconnect()

    assert await told.result == b"body"


async def test_repeat_has_only_the_time_that_is_left(bench):
    """Nobody waits for what would be run later."""
    call, told = bench.call()
    call.due_s -= 3.0
    worker = await StubWorker(bench.bus, bench.target.endpoint, "blue").start()

    await bench.recovery.after_reconnect()

    await told.result
    assert 1000 < int(worker.seen[0].headers[wire.TIMEOUT_MS]) <= 2000
    assert worker.seen[0].headers[wire.MSG_TTL] == "2s"


async def test_request_still_queued_is_waited_for(bench):
    """What is in its stream will be answered: nothing is sent twice."""
    call, told = bench.call()
    bench.outlet.post(*call.message)
    await bench.acked(call)

    await bench.recovery.after_reconnect()

    assert not told.result.done()
    worker = await StubWorker(bench.bus, bench.target.endpoint, "blue").start()
    assert await told.result == b"body"
    assert len(worker.seen) == 1


async def test_request_that_is_gone_is_given_up_honestly(bench):
    """A message that was run while we were away: its answer went nowhere."""
    call, told = bench.call()
    bench.outlet.post(*call.message)
    await bench.acked(call)
    await streams.delete_message(bench.bus, call.stream, call.seq)

    await bench.recovery.after_reconnect()

    with pytest.raises(AnswerUnknownError):
        await told.result


async def test_repeat_of_what_was_run_is_given_up_honestly(bench):
    """The PubAck was lost, the message run: the repeat is a duplicate of nothing."""
    call, told = bench.call()
    bench.outlet.post(*call.message)
    await bench.acked(call)
    await streams.delete_message(bench.bus, call.stream, call.seq)
    call.message, call.ack = bench.message(call), None

    await bench.recovery.after_reconnect()

    with pytest.raises(AnswerUnknownError):
        await told.result


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


async def test_silent_broker_is_503(nats_server, open_mesh):
    """A queue that confirms nothing is not the model's slowness: 503, not 408."""
    server = nats_server()
    mesh = await open_mesh(server.url)
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)
    server.pause()
    while await _answers(mesh.bus):  # a stop takes a moment to reach every thread
        pass

    answer = await mesh.score(x_ms_request_timeout_ms="2000")
    server.resume()

    assert answer.status == 503
    assert json.loads(answer.body)["error"]["code"] == "bus_timeout"


async def _answers(bus):
    try:
        await asyncio.wait_for(bus.flush(), 0.2)
    except TimeoutError:
        return False
    return True
