"""A request that came as a message instead of over HTTP, and its one answer as a message.

It is an `Exchange` whose body is there from the start, so that it is routed, mirrored, counted and
recorded as every other one. Ring: adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateway.call import Call
from gateway.edge import Response
from gateway.exchange import Exchange, Handler
from gateway.idempotency import KEY
from gateway.paths import SCORE, read
from gateway.pipe import NoPipe
from gateway.routes import Route
from gateway.terms import WISH_MS
from mesh import claims, wire
from mesh.bus import Message
from mesh.claims import Claim
from mesh.errors import BackendError, NotFoundError, ProtocolError, RequestError

TIMEOUT_MS: Final = wire.TIMEOUT_MS.lower().encode()
GIVEN_KEY: Final = wire.IDEMPOTENCY_KEY.lower().encode()
METHOD: Final = wire.METHOD.lower().encode()
PATH: Final = wire.PATH.lower().encode()
METHODS: Final = (b"POST", b"GET")
USER_AGENT: Final = b"user-agent"
HANDED_ON: Final = (
    *(wire.CONTENT_TYPE, wire.INSTANCE, wire.GENERATION, wire.ATTEMPT, wire.TIMING, wire.HTTP),
    *(wire.REPLAYED, wire.RETRY_AFTER),
)
VALUE_CHARS: Final = 16 * 1024
OURS: Final = ("mesh.", "$")


class NoConnection:
    """Stands where an HTTP request has its connection; an invocation answers by itself."""

    pipe = NoPipe()

    def send(self, response: Response, lines: bytes) -> None:
        """Never called."""

    def finished(self, exchange: Exchange) -> None:
        """Never called."""

    def allow_body(self) -> None:
        """Never called: the body is there."""

    def expect_large_body(self) -> None:
        """Do nothing: the body is there."""

    def begin(self, response: Response, size_bytes: int, lines: bytes) -> None:
        """Never called: an answer is one message."""


class Invocation(Exchange):
    """A message on `mesh.invoke.<endpoint>`. The broker let it through: no key is asked for."""

    __slots__ = ("answer", "reply")

    is_trusted = True
    takes_pieces = False
    context: Call
    answer: Callable[[Invocation, Response], None]

    def __init__(self, message: Message, route: Route, handler: Handler, started_s: float) -> None:
        super().__init__(NoConnection(), handler, started_s)
        self.reply = message.reply
        self.route = route
        self.header_list = header_list(message.headers or {})
        self.headers = dict(self.header_list)
        self.method, self.url = place_of(self.headers, route)
        self.headers.setdefault(USER_AGENT, b"nats")
        if GIVEN_KEY in self.headers:
            self.headers[KEY] = self.headers[GIVEN_KEY]
        if wire.BODY in (message.headers or {}):
            self.claim = claim_of(message.headers or {})
        if TIMEOUT_MS in self.headers:
            self.headers.setdefault(WISH_MS, self.headers[TIMEOUT_MS])

    def serve(self, body: bytes, answer: Callable[[Invocation, Response], None]) -> None:
        """Hand the request to its handler; `answer` is called once, at once or later."""
        self.answer = answer
        self.is_turn = True
        self.feed(body)
        self.complete()

    def respond(self, response: Response, lines: bytes) -> None:
        """Give the answer; only the first one counts."""
        if not (self.response_complete or self.disconnected):
            self.response_complete = True
            self.answer(self, response)


def header_list(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return a message's headers as those of an HTTP request."""
    return [
        (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in headers.items()
    ]


def claim_of(headers: Mapping[str, str]) -> Claim:
    """Return the body that a message names instead of having it.

    Raises:
        RequestError: it names none.
    """
    try:
        return claims.parse(headers[wire.BODY])
    except ProtocolError as exc:
        raise RequestError(exc.message) from exc


def place_of(headers: Mapping[bytes, bytes], route: Route) -> tuple[bytes, bytes]:
    """Return the method and the URL that a message asks for: `POST` and `/score` by default.

    Raises:
        NotFoundError: the path is none that a model is asked.
        RequestError: the method is none that a model is asked with, or the path is no path.
    """
    score = SCORE.encode()
    method, path = headers.get(METHOD, METHODS[0]), headers.get(PATH, score)
    if method not in METHODS:
        raise RequestError(f"{wire.METHOD}: {method.decode('latin-1')!r}: expected POST or GET")
    place, text = read(path), path.decode("latin-1")
    if place.host is not None or place.endpoint is not None or not place.is_scoring:
        raise NotFoundError(f"{wire.PATH}: {text!r}: expected {SCORE}, /v2 or /v2/...")
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise RequestError(f"{wire.PATH}: {text!r}: a character must be percent-encoded")
    return method, route.path.removesuffix(score) + path


def may_answer(reply: str) -> bool:
    """Tell whether an answer may go to `reply`.

    Not to the mesh's own subjects and the broker's: the gateway may publish where the caller may
    not, and an answer would be taken for a request there.
    """
    return reply.isascii() and not reply.startswith(OURS)


def answer_fields(response: Response) -> str:
    """Return the header lines of an answer: what HTTP says in its status line and headers."""
    said = response.said
    lines = f"{wire.STATUS}: {response.status}\r\n"
    if response.status >= 400:
        lines += f"{wire.ERROR}: {said.get(wire.ERROR, BackendError.code)}\r\n"
    if response.status == 424:
        lines += f"{wire.MODEL_STATUS}: {said.get(wire.STATUS, '500')}\r\n"
    for name in HANDED_ON:
        value = said.get(name, "")
        if value and len(value) <= VALUE_CHARS and value.isascii() and value.isprintable():
            lines += f"{name}: {value}\r\n"
    return lines


def identity_fields(call: Call) -> str:
    """Return the header lines that say which request this was, and where it was sent."""
    lines = f"{wire.REQUEST_ID}: {call.request_id}\r\n"
    return lines + (f"{wire.DEPLOYMENT}: {call.deployment}\r\n" if call.deployment else "")
