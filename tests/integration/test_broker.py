"""The tests' own broker: what the other integration tests rely on."""

from collections.abc import Callable

from mesh.bus import Bus
from tests.broker import NatsServer

STREAM = {"name": "KEPT", "subjects": ["kept"], "storage": "file"}


async def test_restart_keeps_port_and_store(nats_server: Callable[..., NatsServer]) -> None:
    """A killed server comes back where it was, with what it had acknowledged."""
    server = nats_server()
    url = server.url
    bus = await Bus.connect(url, name="before")
    await bus.api("STREAM.CREATE.KEPT", STREAM)
    await bus.request("kept", b"x", timeout_s=2)
    await bus.close()

    server.restart()
    bus = await Bus.connect(url, name="after")
    info = await bus.api("STREAM.INFO.KEPT", {})
    await bus.close()

    assert info["state"]["messages"] == 1
