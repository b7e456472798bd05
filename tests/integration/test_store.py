"""The config view and its bucket, against a real server."""

import asyncio

import pytest

from mesh.bus import Bucket, Bus
from mesh.errors import ConflictError
from mesh.store import ConfigView
from mesh.streams import ensure_topology
from mesh.subjects import CONFIG_BUCKET


class Witness:
    """Remembers changes and lets a test wait for one."""

    def __init__(self, view: ConfigView):
        self.changes: list[tuple[str, bytes | None]] = []
        self._told = asyncio.Event()
        view.on_change(self._note)

    def _note(self, key, value):
        self.changes.append((key, value))
        self._told.set()

    async def until(self, *change):
        """Wait until `change` was seen."""
        while change not in self.changes:
            self._told.clear()
            await self._told.wait()


@pytest.fixture
async def server(nats_server):
    """A server of the test's own with the topology in place."""
    server = nats_server()
    bus = await Bus.connect(server.url, name="setup")
    await ensure_topology(bus)
    await bus.close()
    return server


async def test_the_view_begins_with_what_is_there_and_follows(bus):
    """Present values first, then changes and deletions, each with its revision."""
    bucket = await Bucket.open(bus, CONFIG_BUCKET)
    first = await bucket.create("a", b"1")
    view = ConfigView(bus, CONFIG_BUCKET)
    await view.start()
    witness = Witness(view)

    assert (view.entries, view.revision) == ({"a": b"1"}, first)
    await bucket.update("a", b"2", first)
    await witness.until("a", b"2")
    await bucket.delete("a")
    await witness.until("a", None)
    assert view.entries == {}
    await view.close()


async def test_compare_and_set_refuses_the_second_writer(bus):
    """Two writers that saw the same revision: one wins, the other is told."""
    bucket = await Bucket.open(bus, CONFIG_BUCKET)
    seen = await bucket.create("a", b"1")
    await bucket.update("a", b"2", seen)

    with pytest.raises(ConflictError):
        await bucket.update("a", b"3", seen)
    with pytest.raises(ConflictError):
        await bucket.create("a", b"3")


async def test_a_deleted_key_can_be_created_again(bus):
    """The marker that a deletion leaves is nothing."""
    bucket = await Bucket.open(bus, CONFIG_BUCKET)
    await bucket.create("a", b"1")
    await bucket.delete("a")

    assert await bucket.get("a") is None
    await bucket.create("a", b"2")
    entry = await bucket.get("a")
    assert entry is not None
    assert entry.value == b"2"


async def test_the_view_is_alive_again_after_a_restart_of_the_broker(server, bus):
    """What changed and what was deleted in between is noticed, and what changes after."""
    bucket = await Bucket.open(bus, CONFIG_BUCKET)
    await bucket.create("kept", b"1")
    await bucket.create("gone", b"1")
    view = ConfigView(bus, CONFIG_BUCKET)
    await view.start()
    witness = Witness(view)
    applied = asyncio.Event()

    server.kill()
    server.start()
    other = await Bus.connect(server.url, name="other")
    theirs = await Bucket.open(other, CONFIG_BUCKET)
    await theirs.delete("gone")
    await witness.until("gone", None)
    view.on_applied(lambda _: applied.set())
    await theirs.put("kept", b"2")
    await witness.until("kept", b"2")

    assert view.entries == {"kept": b"2"}
    assert applied.is_set()
    await view.close()
    await other.close()
