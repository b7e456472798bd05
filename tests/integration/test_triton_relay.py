"""Connections to a server's HTTP: kept, given up, found broken."""

import asyncio
import contextlib

import pytest

from workers.triton.errors import OverdueError, ServerAwayError
from workers.triton.relay import Relay

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request with the next of `answers`; b"" closes, None never comes."""

    def __init__(self) -> None:
        self.answers: list[bytes | None] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.lost = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await reader.read(65536):
            self.heads.append(head)
            answer = self.answers.pop(0)
            if answer == b"":
                break
            writer.write(answer or b"")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self.lost.set()


@pytest.fixture
async def server():
    server = Server()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.relay = Relay(*listening.sockets[0].getsockname())
        yield server
        server.relay.close()
        await server.lost.wait()


def _infer(server, timeout_s=5.0):
    return server.relay.infer("my model", "1", b"{}12", 2, timeout_s)


async def test_connection_is_kept(server):
    """Requests one after another take one connection; what was sent is what was asked."""
    server.answers = [ANSWER, ANSWER]

    replies = [await _infer(server) for _ in range(2)]

    assert [(reply.status, reply.body) for reply in replies] == [(200, b"{}")] * 2
    assert replies[0].headers["content-type"] == "application/json"
    assert server.connections == 1
    assert server.heads[0].startswith(b"POST /v2/models/my%20model/versions/1/infer HTTP/1.1\r\n")
    assert b"inference-header-content-length: 2\r\n" in server.heads[0]


async def test_connection_closed_while_idle_is_no_crash(server):
    """The request is asked once more, on a fresh connection."""
    server.answers = [ANSWER, b"", ANSWER]
    await _infer(server)

    reply = await _infer(server)
    await server.lost.wait()
    server.lost.clear()  # the second is yet to end

    assert reply.status == 200
    assert server.connections == 2


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n"])
async def test_server_that_breaks_off_is_away(server, answer):
    """The request ends with the server, and may be run elsewhere."""
    server.answers = [answer]

    with pytest.raises(ServerAwayError):
        await _infer(server)


async def test_request_that_is_late_is_given_up_at_the_server(server):
    """Its connection is closed, which tells Triton to cancel it."""
    server.answers = [None]

    with pytest.raises(OverdueError):
        await _infer(server, timeout_s=0.05)

    await server.lost.wait()


async def test_server_that_does_not_listen_is_away():
    """After as long as it was waited for."""
    relay = Relay("127.0.0.1", 1)

    with pytest.raises(ServerAwayError):
        await relay.open(0.05)
