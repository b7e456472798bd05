"""A server before an application that echoes, for the suites of both versions of HTTP."""

import socket
from collections.abc import AsyncIterator

import pytest

from gateway.server import HttpServer
from tests.echo import Echo


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    """What answers; what hangs in it is let go in the end."""
    echo = Echo()
    yield echo
    echo.release.set()


@pytest.fixture
async def server(echo: Echo) -> AsyncIterator[HttpServer]:
    """The server, on a free port."""
    sock = socket.create_server(("127.0.0.1", 0))
    server = await HttpServer.open(sock, echo, echo)
    yield server
    await server.close(0)
