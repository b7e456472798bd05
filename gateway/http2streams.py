"""A stream of an HTTP/2 connection: one request, with what is left to send of its answer.

Ring: adapter.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from h2.errors import ErrorCodes

from gateway.edge import CLOSE_LINE, Response
from gateway.http2head import Fields
from gateway.protocol import BODY_TIMEOUT_S

CONTINUE: Final[Fields] = [(b":status", b"100")]
CLOSE: Final = CLOSE_LINE.rstrip()


class Link(Protocol):
    """What a stream asks of its connection."""

    @property
    def date_line(self) -> bytes:
        """The date header of an answer."""

    def send_head(self, stream: Stream, fields: Fields, *, ends: bool) -> None:
        """Send a head; `ends`: no body follows."""

    def send_body(self, stream: Stream, data: bytes, *, ends: bool) -> None:
        """Send a piece of a body as the other side takes it; `ends`: it was the last."""

    def send_continue(self, stream: Stream) -> None:
        """Tell a client that waits for it to send the body."""

    def consume(self, stream: Stream, size_bytes: int) -> None:
        """Let the other side send so much more."""

    def break_off(self, stream: Stream, code: ErrorCodes) -> None:
        """End a stream whose answer cannot be brought to its end."""


class Stream:
    """One request and its answer. This kind only answers; others know what to do with a request.

    `since_s` is when it began, or its answer last went on; `limit_s` how long the request may take
    to come. `is_whole`: it is here; `ends`: all of the answer is in `left`, what of it could not be
    sent yet.
    """

    def __init__(self, link: Link, number: int, since_s: float) -> None:
        self.link = link
        self.number = number
        self.since_s = since_s
        self.limit_s = BODY_TIMEOUT_S
        self.is_whole = False
        self.ends = False
        self.left: deque[memoryview] = deque()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number} left={self.left_bytes}>"

    @property
    def left_bytes(self) -> int:
        """How much of the answer waits for the other side."""
        return sum(map(len, self.left))

    def start(self) -> None:
        """Act on the head."""

    def feed(self, data: bytes, size_bytes: int) -> None:
        """Take a piece of the body; `size_bytes` is what it counts for the other side."""
        self.link.consume(self, size_bytes)

    def complete(self) -> None:
        """Note that the request is here."""
        self.is_whole = True

    def lose(self) -> None:
        """Note that the client is gone, or wants no answer any more."""

    def release(self) -> None:
        """Let go of what is left of the request: nobody wants it any more."""
        self.left.clear()

    def moved(self) -> None:
        """Note that a part of the answer is on its way."""

    def answer(self, response: Response, lines: bytes) -> None:
        """Send an answer, with these header lines besides its own."""
        body = response.body
        self.answer_head(response, len(body), lines)
        if body:
            self.link.send_body(self, body, ends=True)

    def answer_head(self, response: Response, size_bytes: int, lines: bytes) -> None:
        """Send the head of an answer whose body has so many bytes."""
        lines = response.head + self.link.date_line + lines
        fields = [(b":status", b"%d" % response.status), *read_lines(lines)]
        fields.append((b"content-length", b"%d" % size_bytes))
        self.link.send_head(self, fields, ends=not size_bytes)

    def take(self, limit_bytes: int) -> memoryview:
        """Take out what is to be sent next, at most so much."""
        piece = self.left[0]
        if len(piece) <= limit_bytes:
            return self.left.popleft()
        self.left[0] = piece[limit_bytes:]
        return piece[:limit_bytes]


def read_lines(lines: bytes) -> Fields:
    """Return header lines as fields, but for what HTTP/2 has no use for."""
    fields: Fields = []
    for line in lines.split(b"\r\n"):
        if line and line != CLOSE:
            name, _, value = line.partition(b": ")
            fields.append((name, value))
    return fields
