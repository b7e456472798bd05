"""A scoring request on an HTTP/2 connection, and its body as a large one needs it.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
from functools import cached_property

from h2.errors import ErrorCodes

from gateway.edge import Response
from gateway.exchange import Exchange
from gateway.http2streams import Stream
from mesh.claims import TRANSFER_S

AHEAD_BYTES = 64 * 1024


class StreamPipe:
    """A stream as large bodies need it: what is not taken is not given back as room."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._is_paused = False
        self._held_bytes = 0
        self._room = asyncio.Event()
        self.is_gone = False

    def consume(self, size_bytes: int) -> None:
        """Give back the room of a piece, unless no more is wanted for now."""
        if self._is_paused:
            self._held_bytes += size_bytes
        else:
            self._stream.link.consume(self._stream, size_bytes)

    def moved(self) -> None:
        """Note that the client takes what it is sent."""
        if self._stream.left_bytes < AHEAD_BYTES:
            self._room.set()

    def lose(self) -> None:
        """Note that the client is gone; what was held back is nobody's."""
        self.is_gone = True
        self._room.set()
        self.resume()

    # What uploads and downloads ask.

    def pause(self) -> None:
        """Read no more for now."""
        self._is_paused = not self.is_gone

    def resume(self) -> None:
        """Read on."""
        self._is_paused = False
        held_bytes, self._held_bytes = self._held_bytes, 0
        if held_bytes:
            self.consume(held_bytes)

    def write(self, data: bytes) -> None:
        """Send a piece."""
        if not self.is_gone:
            self._stream.link.send_body(self._stream, data, ends=False)

    async def drained(self) -> None:
        """Wait until the client has taken most of what was sent, or is gone."""
        while self._stream.left_bytes >= AHEAD_BYTES and not self.is_gone:
            self._room.clear()
            await self._room.wait()

    def abort(self) -> None:
        """Break the stream: its connection goes on."""
        if not self.is_gone:
            self._stream.link.break_off(self._stream, ErrorCodes.INTERNAL_ERROR)


class ScoringStream(Stream):
    """A scoring request; the connection of its exchange."""

    exchange: Exchange

    @cached_property
    def pipe(self) -> StreamPipe:
        """What a large body goes through."""
        return StreamPipe(self)

    @property
    def _has_pipe(self) -> bool:
        return "pipe" in self.__dict__

    # What the connection tells.

    def start(self) -> None:
        """Check what can be checked at the head."""
        self.exchange.take_turn()

    def feed(self, data: bytes, size_bytes: int) -> None:
        """Take a piece of the body, unless the request is answered already."""
        if data and not self.exchange.response_complete:
            self.exchange.feed(data)
        if self._has_pipe:
            self.pipe.consume(size_bytes)
        else:
            self.link.consume(self, size_bytes)

    def complete(self) -> None:
        """Serve the request."""
        self.is_whole = True
        if not self.exchange.response_complete:
            self.exchange.complete()

    def lose(self) -> None:
        """Cancel the request, as a lost connection does."""
        if self._has_pipe:
            self.pipe.lose()
        if not self.exchange.response_complete:
            self.exchange.lose()

    def release(self) -> None:
        """Give back the room of what was held."""
        super().release()
        if self._has_pipe:
            self.pipe.resume()

    def moved(self) -> None:
        """Let a large answer go on once the other side has taken enough."""
        if self._has_pipe:
            self.pipe.moved()

    # What an exchange asks.

    def send(self, response: Response, lines: bytes) -> None:
        """Send an answer, with these header lines besides its own."""
        self.answer(response, lines)

    def begin(self, response: Response, size_bytes: int, lines: bytes) -> None:
        """Send the head of an answer whose body of this size follows in pieces."""
        self.answer_head(response, size_bytes, lines)

    def finished(self, exchange: Exchange) -> None:
        """Note that the answer is written."""
        if not self.ends:
            self.link.send_body(self, b"", ends=True)

    def allow_body(self) -> None:
        """Tell the client, which waits for it, to send the body."""
        self.link.send_continue(self)

    def expect_large_body(self) -> None:
        """Give the body the time that a large one may take."""
        self.limit_s = TRANSFER_S
