"""Requests whose client is gone."""

import asyncio

from mesh import subjects, wire
from tests.stub import StubWorker


async def test_queued_request_is_deleted(bench):
    """What waits is deleted by its number in the stream."""
    call, told = bench.call()
    bench.outlet.post(*call.message)
    await bench.acked(call)

    bench.withdrawals.withdraw(call)

    await bench.holds(0)
    assert bench.pending.entries == {}
    assert not told.result.done()


async def test_unconfirmed_request_is_deleted_when_it_is_confirmed(bench):
    """A client that leaves before the PubAck leaves nothing behind either."""
    call, told = bench.call()
    bench.withdrawals.withdraw(call)
    assert call.number in bench.pending.entries

    bench.outlet.post(*call.message)

    await bench.holds(0)
    while bench.pending.entries:
        await bench.bus.flush()
    assert not told.result.done()


async def test_running_request_is_cancelled(bench):
    """Its worker is told, and an answer that comes all the same is dropped."""
    said = asyncio.Queue()
    await bench.bus.subscribe(subjects.cancel(bench.endpoint, "blue"), said.put)
    call, told = bench.call()
    bench.withdrawals.withdraw(call)
    await StubWorker(bench.bus, bench.endpoint, "blue").start()
    bench.outlet.post(*call.message)

    cancel = wire.decode((await said.get()).data, wire.Cancel)

    assert cancel.request_id == call.request_id
    while bench.pending.entries:
        await bench.bus.flush()
    assert not told.result.done()
