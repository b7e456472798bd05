"""The door to NATS, against a real server."""

import asyncio
import json

import pytest

from mesh.bus import ApiError, Bus
from mesh.errors import BusError, BusTimeoutError, PayloadTooLargeError


@pytest.fixture
async def bus(nats_url):
    """A connection to the session's server."""
    bus = await Bus.connect(nats_url, name="test")
    yield bus
    await bus.close()


async def test_a_request_is_answered(bus):
    """Headers and body arrive, and the answer comes back."""

    async def answer(message):
        await bus.publish(message.reply, message.data.upper(), headers=message.headers)

    await bus.subscribe("test.bus.echo", answer)

    reply = await bus.request("test.bus.echo", b"hi", headers={"A": "b"})

    assert (reply.data, reply.headers) == (b"HI", {"A": "b"})


async def test_nobody_listening_is_said_at_once(bus):
    """No responders is not a time-out."""
    with pytest.raises(BusError) as caught:
        await bus.request("test.bus.nobody", timeout_s=5)

    assert not isinstance(caught.value, BusTimeoutError)


async def test_silence_is_a_timeout(bus):
    """Somebody listens but does not answer."""

    async def ignore(message):
        pass

    await bus.subscribe("test.bus.silent", ignore)

    with pytest.raises(BusTimeoutError):
        await bus.request("test.bus.silent", timeout_s=0.05)


async def test_a_body_that_is_too_large_leaves_the_connection_alive(bus):
    """Beyond the limit the broker would close it for good."""
    with pytest.raises(PayloadTooLargeError):
        await bus.publish("test.bus.large", b"x" * (2 << 20))

    await bus.flush()
    assert bus.is_connected


async def test_a_refused_operation_says_why(bus):
    """`err_code` is the broker's."""
    with pytest.raises(ApiError, match="stream not found") as caught:
        await bus.api("STREAM.INFO.NO_SUCH_STREAM")

    assert caught.value.err_code == 10059


async def test_no_server_is_a_clear_error_in_time():
    """It names the address and how long was waited."""
    with pytest.raises(BusError, match=r"127\.0\.0\.1:1 within 0\.3 s"):
        await Bus.connect("nats://someone:secret@127.0.0.1:1", name="test", timeout_s=0.3)


async def test_wrong_credentials_are_said_in_time(nats_server):
    """The reason is the broker's, not a time-out."""
    server = nats_server(config='authorization { user: "a", password: "b" }')

    with pytest.raises(BusError, match=r"(?i)authorization"):
        await Bus.connect(server.url, name="test", user="a", password="wrong", timeout_s=3)


async def test_a_broker_that_is_away_is_said_before_anything_is_buffered(nats_server):
    """Publishing fails at once; after the restart the connection works and its steps have run."""
    server = nats_server()
    bus = await Bus.connect(server.url, name="test")
    back, away = asyncio.Event(), asyncio.Event()

    async def note():
        await bus.flush()
        back.set()

    bus.on_reconnect(note)
    bus.on_away(away.set)
    server.kill()
    await away.wait()
    with pytest.raises(BusError, match="away"):
        await bus.publish("test.bus.away")
    server.start()
    await back.wait()
    await bus.publish("test.bus.away")
    await bus.close()


async def test_a_server_that_is_too_old_is_refused():
    """Older ones drop settings without a word; only their greeting is played here."""

    async def greet(reader, writer):
        info = {"version": "2.9.10", "max_payload": 1 << 20, "proto": 1, "headers": True}
        writer.write(f"INFO {json.dumps(info)}\r\n".encode())
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()

    with pytest.raises(BusError, match=r"nats-server 2\.9 .* is too old: 2\.11 or newer is needed"):
        await Bus.connect(f"nats://{host}:{port}", name="test", timeout_s=3)

    server.close()
    await server.wait_closed()
