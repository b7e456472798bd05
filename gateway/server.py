"""The HTTP server's life: bind, accept, sweep out the idle, drain, close. Ring: adapter.

uvicorn's `Server` wants the signals and the loop to itself; its protocol does not, so the listening
is done here, in the loop that also holds the connection to NATS (ADR 0002).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from email.utils import formatdate
from typing import Any, Self

from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.doorway import ALPN, Doorway
from gateway.exchange import Handler
from gateway.http2 import Http2Protocol
from gateway.protocol import GatewayProtocol, Shared

TICK_S = 1.0


class HttpServer:
    """A listening server. `app` is the ASGI application for all that is no scoring request."""

    def __init__(self, handler: Handler, app: Any, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._config = Config(
            app, http="httptools", ws="none", lifespan="off", log_config=None,
            access_log=False, proxy_headers=False, server_header=False,
        )  # fmt: skip
        self._tls = tls
        self._state = ServerState()
        self._shared = Shared(self._check_idle)
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()

    def __repr__(self) -> str:
        return f"<HttpServer port={self.port} connections={self.connections}>"

    @classmethod
    async def open(
        cls, sock: socket.socket, handler: Handler, app: Any, tls: ssl.SSLContext | None = None
    ) -> Self:
        """Listen on a bound socket."""
        if tls is not None:
            tls.set_alpn_protocols(ALPN)
        self = cls(handler, app, tls)
        self._config.load()
        self._tick()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._protocol, sock=sock, ssl=self._tls, backlog=2048
        )
        return self

    @property
    def port(self) -> int:
        """The port we listen on; 0 once we do not."""
        sockets = self._server.sockets if self._server is not None else ()
        return int(sockets[0].getsockname()[1]) if sockets else 0

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._state.connections)

    async def close(self, grace_s: float) -> int:
        """Accept nothing more, answer what is begun, close; return how many were cut off."""
        if self._server is not None:
            self._server.close()
        self._shared.is_draining = True
        for connection in list(self._state.connections):
            connection.shutdown()
        self._check_idle()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace_s)
        late = list(self._state.connections)
        for connection in late:
            connection.transport.abort()
        if self._ticking is not None:
            self._ticking.cancel()
        return len(late)

    def _protocol(self) -> Doorway:
        rest = (self._config, self._state, self._handler, self._shared)
        connections: set[Any] = self._state.connections
        return Doorway(
            lambda: GatewayProtocol(*rest),
            lambda: Http2Protocol(*rest),
            connections,
            self._shared.on_lost,
        )

    def _check_idle(self) -> None:
        if self._shared.is_draining and not self._state.connections:
            self._idle.set()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        date = formatdate(usegmt=True).encode()
        self._shared.now_s = loop.time()
        self._shared.date_line = b"date: %b\r\n" % date
        self._state.default_headers = [(b"date", date)]
        self.sweep(loop.time())
        self._ticking = loop.call_later(TICK_S, self._tick)

    def sweep(self, now_s: float) -> None:
        """Close every connection that keeps us waiting for longer than it may."""
        connections: list[Any] = list(self._state.connections)
        for connection in connections:
            connection.sweep(now_s)
