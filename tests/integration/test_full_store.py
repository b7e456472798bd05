"""A broker that has no room for another stream: what is there goes on, and others say so."""

import pytest

from mesh import topology
from mesh.bus import ApiError, Bus
from mesh.spec.options import QueueOptions
from mesh.streams import ensure_stream, ensure_topology

QUEUE = topology.work_stream("echo", "blue", QueueOptions())
OURS = (*topology.buckets(), topology.artifacts(), *topology.shared_streams())
ROOM = sum(max(0, one.get("max_bytes", 0)) for one in OURS) + (1 << 20)


@pytest.fixture
async def bus(nats_server):
    """A connection to a server whose room the mesh's own streams take up."""
    server = nats_server(config=f"jetstream {{ max_file_store: {ROOM} }}")
    bus = await Bus.connect(server.url, name="full")
    await ensure_topology(bus)
    yield bus
    await bus.close()


async def test_a_mesh_starts_again_in_a_full_store(bus):
    """What is there needs no more room: a scaler that starts again finds it in order."""
    await ensure_topology(bus)


async def test_a_queue_that_has_no_room_is_refused(bus):
    """The broker's reason comes through."""
    with pytest.raises(ApiError, match="insufficient storage"):
        await ensure_stream(bus, QUEUE)
