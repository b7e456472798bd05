"""A connection as large bodies need it: bytes both ways, each at the pace of who takes them.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

STALLED_S: Final = 30.0


class Pipe(Protocol):
    """What uploads and downloads ask of where a request came on."""

    @property
    def is_gone(self) -> bool:
        """Whether nobody is there any more."""

    def pause(self) -> None:
        """Read no more for now. Harmless twice."""

    def resume(self) -> None:
        """Read on. Harmless twice."""

    def write(self, data: bytes) -> None:
        """Send a piece."""

    async def drained(self) -> None:
        """Wait until the client has taken most of what was sent, or is gone."""

    def abort(self) -> None:
        """Break it: the client cannot take what it has for the whole."""


class SocketPipe:
    """A connection of our own."""

    def __init__(self, transport: asyncio.Transport, flow: FlowControl) -> None:
        self._transport = transport
        self._flow = flow

    @property
    def is_gone(self) -> bool:
        """Whether nobody is there any more."""
        return self._transport.is_closing()

    def pause(self) -> None:
        """Read no more for now."""
        if not self.is_gone:
            self._flow.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self.is_gone:
            self._flow.resume_reading()

    def write(self, data: bytes) -> None:
        """Send a piece."""
        self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has taken most of what was sent, or is gone."""
        await self._flow.drain()

    def abort(self) -> None:
        """Break it."""
        self._transport.abort()


class NoPipe:
    """Of a request that came as one message, and is answered by one."""

    is_gone = False

    def pause(self) -> None:
        """Do nothing: the body is there."""

    def resume(self) -> None:
        """Do nothing: the body is there."""

    def write(self, data: bytes) -> None:
        """Never called."""

    async def drained(self) -> None:
        """Never called."""

    def abort(self) -> None:
        """Never called."""


class PacedProtocol(HttpToolsProtocol):
    """A connection that knows since when its client takes nothing of what it is sent."""

    _stalled_since_s: float | None = None

    @property
    def pipe(self) -> Pipe:
        """The connection as a large body needs it."""
        return SocketPipe(self.transport, self.flow)

    def pause_writing(self) -> None:
        """Send no more: the transport holds as much as it should."""
        self._stalled_since_s = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Send again."""
        self._stalled_since_s = None
        super().resume_writing()

    def is_stalled(self, now_s: float) -> bool:
        """Tell whether the client has read too little for too long."""
        return self._stalled_since_s is not None and now_s - self._stalled_since_s > STALLED_S
