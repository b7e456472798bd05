"""A fresh connection: which HTTP it speaks is known from TLS, or from its first bytes.

It costs a connection one look and a request nothing. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol

from gateway.protocol import HEAD_TIMEOUT_S, IDLE_TIMEOUT_S, LAST_CALL_S

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ALPN: Final = ["h2", "http/1.1"]


class Speaker(Protocol):
    """A protocol that takes a connection over."""

    def connection_made(self, transport: Any) -> None:
        """Begin."""

    def data_received(self, data: bytes) -> None:
        """Take what came."""

    def shutdown(self) -> None:
        """Close after what has begun."""


Make = Callable[[], Any]


class Doorway(asyncio.Protocol):
    """Waits until it is clear who is to serve the connection, and hands it over.

    `one` and `two` make the protocols of HTTP/1.1 and HTTP/2; `connections` are the server's.
    """

    def __init__(self, one: Make, two: Make, connections: set[Any], on_lost: Make) -> None:
        self._one, self._two = one, two
        self._connections = connections
        self._on_lost = on_lost
        self._data = b""
        self._is_leaving = False
        self._since_s = asyncio.get_running_loop().time()
        self.transport: Any = None

    def __repr__(self) -> str:
        return f"<Doorway {len(self._data)} bytes>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection; one with TLS has chosen already."""
        self.transport = transport
        self._connections.add(self)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        chosen = tls.selected_alpn_protocol() if tls is not None else None
        if chosen is not None:
            self._hand_over(self._two if chosen == ALPN[0] else self._one)

    def data_received(self, data: bytes) -> None:
        """Look at the first bytes; a preface may come in pieces."""
        self._data = data = self._data + data
        if len(data) < len(PREFACE) and PREFACE.startswith(data):
            return
        self._hand_over(self._two if data.startswith(PREFACE) else self._one)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._connections.discard(self)
        self._on_lost()

    def shutdown(self) -> None:
        """Close soon: a client that has just come may be about to ask."""
        self._is_leaving = True
        asyncio.get_running_loop().call_later(LAST_CALL_S, self._close_unasked)

    def _close_unasked(self) -> None:
        if self in self._connections:
            self.transport.close()

    def sweep(self, now_s: float) -> None:
        """Close a connection on which nothing, or not enough, is said."""
        limit_s = HEAD_TIMEOUT_S if self._data else IDLE_TIMEOUT_S
        if now_s - self._since_s > limit_s:
            self.transport.abort()

    def _hand_over(self, make: Make) -> None:
        self._connections.discard(self)
        speaker: Speaker = make()
        self.transport.set_protocol(speaker)
        speaker.connection_made(self.transport)
        if self._data:
            speaker.data_received(self._data)
        if self._is_leaving:
            speaker.shutdown()
