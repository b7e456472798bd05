"""One scoring request on a connection: what came in, and the one answer that goes out.

It stands where uvicorn's request/response cycle stands for every other request, without a task, a
future or an event of its own. Knows HTTP's framing; nothing of routes or NATS. Ring: adapter.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

from gateway.edge import CLOSE_LINE, Response
from gateway.pipe import Pipe
from gateway.upload import Upload
from mesh.claims import Claim
from mesh.errors import MeshError, PayloadTooLargeError


class Connection(Protocol):
    """What an exchange asks of the connection it came on."""

    def send(self, response: Response, lines: bytes) -> None:
        """Send an answer, with these header lines besides its own."""

    def finished(self, exchange: Exchange) -> None:
        """Note that the answer is written."""

    def allow_body(self) -> None:
        """Tell a client that waits for it to send the body."""

    def expect_large_body(self) -> None:
        """Give the body the time that a large one may take."""

    @property
    def pipe(self) -> Pipe:
        """What a large body goes through."""

    def begin(self, response: Response, size_bytes: int, lines: bytes) -> None:
        """Send the head of an answer whose body of this size follows in pieces."""


class Handler(Protocol):
    """Who serves scoring requests. No method may block or raise."""

    max_body_bytes: int
    early_bytes: int  # a body longer than this is checked before all of it is there
    inline_bytes: int  # a longer one does not stay here

    def find(self, method: bytes, url: bytes, headers: dict[bytes, bytes]) -> Any:
        """Return the route of a scoring request, None if it is not for us."""

    def admit(self, exchange: Exchange) -> bool:
        """Check what can be checked before the body is there; False: it is answered already."""

    def start(self, exchange: Exchange) -> None:
        """Serve an admitted request whose body is complete."""

    def upload(self, exchange: Exchange) -> Upload:
        """Return what takes the body of an admitted request as it comes, and starts it then."""

    def reject(self, exchange: Exchange, error: MeshError) -> None:
        """Refuse a request for how it was sent."""

    def abandon(self, exchange: Exchange) -> None:
        """Forget a started request: its client is gone."""


class _Deaf:
    """Stands for the event that uvicorn sets to wake a request's task: nobody waits here."""

    def set(self) -> None:
        """Do nothing."""


class Exchange:
    """A request, its state and its answer. `context` is the handler's, None until it started."""

    __slots__ = (
        "admitted", "announced_bytes", "body", "claim", "connection", "context", "disconnected",
        "expects_continue", "handler", "header_list", "headers", "is_turn",
        "keep_alive", "method", "parts", "response_complete", "route", "size_bytes", "started_s",
        "upload", "url", "whole",
    )  # fmt: skip

    message_event = _Deaf()
    is_trusted = False  # whether somebody else has checked that the caller may ask
    takes_pieces = True  # whether an answer may be written piece by piece
    claim: Claim | None  # stands for a body that is in the broker
    upload: Upload | None
    method: bytes
    url: bytes
    headers: dict[bytes, bytes]
    header_list: list[tuple[bytes, bytes]]
    route: Any
    context: Any

    def __init__(self, connection: Connection, handler: Handler, started_s: float) -> None:
        self.connection = connection
        self.handler = handler
        self.started_s = started_s
        self.body = b""
        self.parts: list[bytes] | None = None
        self.claim = None
        self.upload = None
        self.size_bytes = 0
        self.announced_bytes = 0
        self.keep_alive = True
        self.expects_continue = False
        self.whole = False
        self.is_turn = False
        self.admitted = False
        self.disconnected = False
        self.response_complete = False
        self.context = None

    def __repr__(self) -> str:
        state = "answered" if self.response_complete else "whole" if self.whole else "arriving"
        return f"<Exchange {state} {self.size_bytes} bytes>"

    def feed(self, data: bytes) -> None:
        """Take a piece of the body as it arrives."""
        self.size_bytes += len(data)
        if self.upload is not None:
            self.upload.feed(data)
        elif self.size_bytes == len(data):
            self.body = data
        elif self.parts is None:
            self.parts = [self.body, data]
        else:
            self.parts.append(data)
        if self.size_bytes > self.handler.early_bytes:
            self._check_early()

    def digest(self) -> bytes:
        """Return the SHA-256 of the body, once it is there."""
        if self.upload is not None:
            return self.upload.digest()
        if self.claim is not None:  # it came with its message, and is that of no other
            return hashlib.sha256(str(self.claim).encode()).digest()
        return hashlib.sha256(self.body).digest()

    def complete(self) -> None:
        """Note that the body is there."""
        if self.parts is not None:
            self.body = b"".join(self.parts)
            self.parts = None
        self.whole = True
        if self.is_turn:
            self._serve()

    def take_turn(self) -> None:
        """Note that every earlier request of this connection is answered."""
        self.is_turn = True
        if self.whole:
            self._serve()
        elif self.expects_continue or self.announced_bytes > self.handler.early_bytes:
            self._check_early()

    def _serve(self) -> None:
        if self.size_bytes > self.handler.max_body_bytes:
            self._check_early()
        if self.response_complete:
            return
        if self.upload is not None:
            self.upload.finish()
        elif self.admitted or self._admit():
            self.handler.start(self)

    def _check_early(self) -> None:
        """Refuse before the body is here, so that no stranger fills our memory."""
        if self.response_complete:
            return
        if max(self.size_bytes, self.announced_bytes) > self.handler.max_body_bytes:
            self.body, self.parts = b"", []
            if self.is_turn:
                limit = self.handler.max_body_bytes
                error = PayloadTooLargeError(f"the body is larger than {limit} bytes")
                self.handler.reject(self, error)
        elif self.is_turn and (self.admitted or self._admit_early()) and self.upload is None:
            self._upload_large()

    def _admit_early(self) -> bool:
        if self._admit() and self.expects_continue:
            self.connection.allow_body()
        return self.admitted

    def _upload_large(self) -> None:
        """Keep the body here no longer if it is too large for that."""
        if max(self.size_bytes, self.announced_bytes) > self.handler.inline_bytes:
            self.connection.expect_large_body()
            self.upload = self.handler.upload(self)
            self.upload.feed(b"".join(self.parts) if self.parts else self.body)
            self.body, self.parts = b"", None

    def _admit(self) -> bool:
        self.admitted = self.handler.admit(self)
        return self.admitted

    def respond(self, response: Response, lines: bytes) -> None:
        """Write the answer, with these header lines besides its own; only the first one counts."""
        if self.response_complete or self.disconnected:
            return
        self.response_complete = True
        if not self.whole:
            self.keep_alive = False
        if self.upload is not None:
            self.upload.cancel()
        self.connection.send(response, lines if self.keep_alive else lines + CLOSE_LINE)
        self.connection.finished(self)

    def begin(self, response: Response, lines: bytes, size_bytes: int) -> None:
        """Write the head of an answer that is written piece by piece."""
        self.connection.begin(
            response, size_bytes, lines if self.keep_alive else lines + CLOSE_LINE
        )

    def end(self) -> None:
        """Note that every piece of the answer is written."""
        self.response_complete = True
        self.connection.finished(self)

    def lose(self) -> None:
        """Note that the client is gone before its answer."""
        self.disconnected = True
        if self.upload is not None:
            self.upload.cancel()
        if self.context is not None:
            self.handler.abandon(self)
