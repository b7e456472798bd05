"""HTTP/1.1 connections: uvicorn's protocol, with a short way through for scoring requests.

uvicorn parses, keeps connections alive, pipelines and serves the ASGI application for everything
else. A scoring request becomes an `Exchange` instead of an ASGI task: no task, no futures, one
write per answer (ADR 0002). Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Literal

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.edge import CLOSE_LINE, Response, encode, encode_head, refusal
from gateway.exchange import Exchange, Handler
from gateway.pipe import PacedProtocol
from mesh.claims import TRANSFER_S
from mesh.errors import HeadersTooLargeError, MeshError, RequestError

log = logging.getLogger("gateway.protocol")

MAX_HEAD_BYTES: Final = 32 * 1024
MAX_HEADERS: Final = 128
HEAD_TIMEOUT_S: Final = 20.0
BODY_TIMEOUT_S: Final = 60.0
IDLE_TIMEOUT_S: Final = 75.0
LINGER_S: Final = 2.0
RECENT_S: Final = 3.0  # who was answered this long ago may be about to ask again
LAST_CALL_S: Final = 0.5

Phase = Literal["idle", "head", "body", "upload", "answering", "lingering", "refused"]
OVER: Final = ("lingering", "refused")  # what still comes is of no use
LIMITS_S: Final[dict[Phase, float]] = {
    "idle": IDLE_TIMEOUT_S,
    "head": HEAD_TIMEOUT_S,
    "body": BODY_TIMEOUT_S,
    "upload": TRANSFER_S,
    "lingering": LINGER_S,
}


class Shared:
    """What every connection of a server shares; the time is refreshed once a second."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self.on_lost = on_lost
        self.is_draining = False
        self.now_s = 0.0
        self.date_line = b""


def _blame(error: httptools.HttpParserError) -> MeshError:
    """Tell a client's mistake from one of ours, which a callback of the parser raised."""
    cause = error.__context__
    if cause is None or isinstance(cause, httptools.HttpParserError | UnicodeError):
        return RequestError("this is no valid HTTP request")
    log.error("protocol.failed", exc_info=cause)
    return MeshError()


class GatewayProtocol(PacedProtocol):
    """One connection. `phase` is what it waits for, since about `phase_since_s`."""

    cycle: Any  # a RequestResponseCycle of uvicorn, or an Exchange of ours

    def __init__(
        self, config: Config, state: ServerState, handler: Handler, shared: Shared
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(config, state, {}, loop)
        self.shared = shared
        self.phase: Phase = "idle"
        self.phase_since_s = shared.now_s
        self._handler = handler
        self._now = loop.time
        self._head_bytes = 0
        self._turn: Any = None  # the cycle being answered; `cycle` is the one being read

    def __repr__(self) -> str:
        return f"<GatewayProtocol {self.client} {self.phase}>"

    # What the transport tells.

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limit on heads."""
        if self.phase == "idle":
            self._enter("head")
            self._head_bytes = len(data)
        elif self.phase == "head":
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_connection(HeadersTooLargeError())
                return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse_connection(RequestError("this server takes no upgrade"))
        except httptools.HttpParserError as exc:
            self._refuse_connection(_blame(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every unanswered request of this connection that its client is gone."""
        self.pipeline.clear()  # what has not had its turn has not begun
        if isinstance(self._turn, Exchange) and not self._turn.response_complete:
            self._turn.lose()
        super().connection_lost(exc)
        self.shared.on_lost()

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Start a request; the ASGI scope is made later, if it is an ASGI request at all."""
        self.url = b""
        self.headers = []
        if self.phase not in OVER:
            self._enter("head")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one after the body (a trailer) is nobody's business."""
        if self.phase == "head":
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Send the request one of two ways: an exchange of ours, or an ASGI task."""
        if self.phase in OVER:
            return
        if self._is_head_too_large():
            self._refuse_connection(HeadersTooLargeError())
            self._enter("refused")
            return
        self._enter("body")
        method = self.parser.get_method()
        fields = dict(self.headers)
        route = self._handler.find(method, self.url, fields)
        if route is None or self.parser.should_upgrade():
            self._begin_asgi()
            return
        previous = self.cycle
        self.cycle = exchange = Exchange(self, self._handler, self._now())
        exchange.method, exchange.url, exchange.route = method, self.url, route
        exchange.headers, exchange.header_list = fields, self.headers
        exchange.keep_alive = self._may_keep_alive()
        exchange.expects_continue = fields.get(b"expect", b"").lower() == b"100-continue"
        exchange.announced_bytes = int(fields.get(b"content-length", 0))
        if previous is None or previous.response_complete:
            self._start_asgi_task(exchange, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]  # same words

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body, unless its request is answered already."""
        cycle = self.cycle
        if self.phase in OVER:
            return
        if cycle.__class__ is not Exchange:
            super().on_body(body)
        elif not cycle.response_complete:
            cycle.feed(body)

    def on_message_complete(self) -> None:
        """End a request."""
        cycle = self.cycle
        if self.phase == "lingering":
            self.transport.close()
        elif self.phase == "refused":
            return
        elif cycle.__class__ is not Exchange:
            self._enter("idle" if cycle.response_complete else "answering")
            super().on_message_complete()
        elif not cycle.response_complete:
            self._enter("answering")
            cycle.complete()

    # What an exchange asks.

    def send(self, response: Response, lines: bytes) -> None:
        """Send an answer, with these header lines besides its own, in one write."""
        self.transport.write(encode(response, self.shared.date_line + lines))

    def allow_body(self) -> None:
        """Tell the client, which waits for it, to send the body."""
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def expect_large_body(self) -> None:
        """Give the body the time that a large one may take."""
        if self.phase == "body":
            self._enter("upload")

    def begin(self, response: Response, size_bytes: int, lines: bytes) -> None:
        """Send the head of an answer whose body of this size follows in pieces."""
        self.transport.write(encode_head(response, size_bytes, self.shared.date_line + lines))

    def finished(self, exchange: Exchange) -> None:
        """Note that an exchange is answered; close if nothing may follow.

        A body that is still on its way is read and dropped for a while: closing at once would
        reset the connection, and the client might never see the answer.
        """
        if exchange.keep_alive:
            self.on_response_complete()
        elif exchange.whole:
            self.transport.close()
        else:
            self._enter("lingering")

    # What uvicorn's own parts ask.

    def on_response_complete(self) -> None:
        """Start the next pipelined request, or wait for another."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self.phase == "answering":
            self._enter("idle")

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._turn = cycle
        if isinstance(cycle, Exchange):
            cycle.take_turn()
        else:
            super()._start_asgi_task(cycle, app)

    def shutdown(self) -> None:
        """Close after the request that is arriving or being answered; without one, soon.

        A client that has just been answered may be sending again: a while is left for one more
        request, whose answer says that the connection closes.
        """
        for cycle in (self._turn, self.cycle):
            if cycle is not None:
                cycle.keep_alive = False
        if self._now() - self.phase_since_s > RECENT_S:
            self._close_idle()
        else:
            self.loop.call_later(LAST_CALL_S, self._close_idle)

    def _close_idle(self) -> None:
        if self.phase == "idle":
            self.transport.close()

    def sweep(self, now_s: float) -> None:
        """Close a connection whose client keeps us waiting for too long."""
        limit_s = LIMITS_S.get(self.phase)
        is_late = limit_s is not None and now_s - self.phase_since_s > limit_s
        if is_late or self.is_stalled(now_s):
            self.transport.abort()

    # Steps.

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.phase_since_s = self.shared.now_s

    def _may_keep_alive(self) -> bool:
        return (
            self.parser.should_keep_alive()
            and not self.shared.is_draining
            and self.parser.get_http_version() == "1.1"
        )

    def _is_head_too_large(self) -> bool:
        headers = self.headers
        size_bytes = self._head_bytes
        if size_bytes > MAX_HEAD_BYTES:  # the piece may hold a part of the body too: count exactly
            size_bytes = len(self.url) + sum(len(name) + len(value) for name, value in headers)
        return size_bytes > MAX_HEAD_BYTES or len(headers) > MAX_HEADERS

    def _begin_asgi(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(headers)
        self.expect_100_continue = (b"expect", b"100-continue") in headers
        super().on_headers_complete()
        self.cycle.keep_alive = self.cycle.keep_alive and not self.shared.is_draining

    def _refuse_connection(self, error: MeshError) -> None:
        """End the connection after what is being answered; its parser is of no more use."""
        self.pipeline.clear()
        turn = self._turn
        if turn is not None and not turn.response_complete and self._is_whole(turn):
            turn.keep_alive = False
            self.flow.pause_reading()
            return
        self.send(refusal(error), CLOSE_LINE)
        self.transport.close()

    @staticmethod
    def _is_whole(cycle: Any) -> bool:
        return cycle.whole if isinstance(cycle, Exchange) else not cycle.more_body
