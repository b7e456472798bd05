"""Whatever bytes a client sends, the server answers properly or closes, and lives on."""

import asyncio
import re
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.doorway import PREFACE
from gateway.edge import Response, refusal
from gateway.server import HttpServer

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
GOOD = b"POST /score HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"

WORDS = [
    *(b"POST", b"GET", b"/score", b"/asgi", b" ", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b"hello"),
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\x00", b"\xff\xfe", b":", b"x: \x01", b"host: h"),
    *(b"content-length: 5", b"content-length: -1", b"content-length: 99999999999999999999"),
    *(b"content-length: 5\r\ncontent-length: 6", b"transfer-encoding: chunked"),
    *(
        b"transfer-encoding: gzip",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"-1\r\n",
        b"ffffffffffffffff\r\n",
    ),
    *(b"expect: 100-continue", b"upgrade: websocket", b"connection: upgrade", b"connection: close"),
    *(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
    ),
]
tokens = st.sampled_from(WORDS)
nonsense = st.lists(st.one_of(tokens, st.binary(max_size=20)), max_size=30).map(b"".join)


class Yes:
    """Answers every scoring request with `yes`, and everything else as an ASGI application."""

    max_body_bytes = 1000
    inline_bytes = 1000
    early_bytes = 100

    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    def find(self, method, url, headers):
        return "route" if url == b"/score" else None

    def admit(self, exchange):
        return True

    def start(self, exchange):
        exchange.context = "started"
        exchange.respond(Response(200, b"", b"yes"), b"")

    def reject(self, exchange, error):
        exchange.respond(refusal(error), b"")

    def abandon(self, exchange):
        pass


async def _talk(port: int, data: bytes) -> bytes:
    """Send bytes, say that there are no more, and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 5)
    except (ConnectionError, OSError):
        return b""
    finally:
        writer.close()


async def _survives(data: bytes) -> bytes:
    yes = Yes()
    sock = socket.create_server(("127.0.0.1", 0))
    failures = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    server = await HttpServer.open(sock, yes, yes)
    answer = await _talk(server.port, data)
    afterwards = await _talk(server.port, GOOD)
    await server.close(0)
    assert failures == []
    assert afterwards.startswith(b"HTTP/1.1 200 ")
    return answer


@settings(max_examples=150, deadline=None)
@given(nonsense)
def test_server_survives_nonsense(data):
    """No bytes crash or hang the server; what it answers is an answer."""
    answer = asyncio.run(_survives(data))

    assert answer == b"" or STATUS.match(answer) or data.startswith(PREFACE)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(0, len(GOOD)))
def test_server_survives_a_spoilt_request(junk, at):
    """Bytes put anywhere into a good request spoil that request at most."""
    answer = asyncio.run(_survives(GOOD[:at] + junk + GOOD[at:]))

    assert answer == b"" or STATUS.match(answer)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"nonsense\r\n\r\n", id="no request"),
        pytest.param(
            b"POST /score HTTP/1.1\r\ncontent-length: x\r\n\r\n", id="length is no number"
        ),
        pytest.param(
            b"POST /score HTTP/1.1\r\ncontent-length: 1\r\n"
            b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            id="two lengths",
        ),
        pytest.param(
            b"POST /score HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxx\r\n", id="bad chunk"
        ),
        pytest.param(b"POST /score HTTP/1.1\r\nx : y\r\n\r\n", id="space in a name"),
        pytest.param(b"POST /score HTTP/1.1\r\nx: \x00\r\n\r\n", id="zero byte"),
    ],
)
def test_malformed_request_is_400(data):
    """What is no valid HTTP is refused and the connection closed: no smuggling."""
    answer = asyncio.run(_survives(data))

    assert STATUS.findall(answer) == [b"400"]
