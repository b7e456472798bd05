"""One scaler leads, the others wait for its lease."""

import pytest

from mesh.bus import Bucket, Bus
from mesh.streams import ensure_topology
from mesh.subjects import LEASES_BUCKET
from scaler.lease import Lease


@pytest.fixture
async def bus(nats_server):
    """A connection to a broker with the lease bucket."""
    bus = await Bus.connect(nats_server().url, name="test")
    await ensure_topology(bus)
    yield bus
    await bus.close()


def lease(bus, owner):
    return Lease(bus, "scaler", owner, ttl_s=1)


async def test_only_one_holds_it(bus):
    """What one holds, another cannot take."""
    mine, other = lease(bus, "a"), lease(bus, "b")

    assert await mine.acquire()
    assert not await other.acquire()
    assert (mine.is_held, other.is_held) == (True, False)


async def test_released_lease_is_free_at_once(bus):
    """A clean stop leaves no gap."""
    mine, other = lease(bus, "a"), lease(bus, "b")
    await mine.acquire()

    await mine.release()

    assert await other.acquire()
    assert not await mine.renew()


async def test_lapsed_lease_is_free_and_not_regained_after_another(bus):
    """A holder that vanished is replaced after the time to live, and knows it when it is back."""
    mine, other = lease(bus, "a"), lease(bus, "b")
    await mine.acquire()

    watch = await (await Bucket.open(bus, LEASES_BUCKET)).watch()
    async for entry in watch:  # the broker itself says when the time to live is over
        if entry is not None and entry.value is None:
            break
    await watch.stop()
    assert not mine.is_held, "it stops believing before anybody else can have it"
    assert await other.acquire()

    assert not await mine.renew()
    assert not await mine.regain()


async def test_lapsed_lease_is_regained_if_nobody_had_it(bus):
    """An outage of the broker does not depose a leader that nobody has replaced."""
    now_s = 100.0
    mine = Lease(bus, "scaler", "a", ttl_s=1, clock=lambda: now_s)
    await mine.acquire()

    now_s = 200.0

    assert not await mine.renew()
    assert await mine.regain()
    assert mine.is_held
