"""HTTP/2 connections: framing by the h2 library, each scoring request an exchange as over HTTP/1.1.

What is sent is gathered for a turn of the event loop. Bodies follow the other side's windows, and
ours are opened as bodies are taken in. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.edge import refusal
from gateway.exchange import Exchange, Handler
from gateway.http2asgi import AsgiStream
from gateway.http2head import Head, check_head, read_head
from gateway.http2link import MAX_STREAMS, Ends, Http2Link
from gateway.http2scoring import ScoringStream
from gateway.http2streams import Stream
from gateway.protocol import (
    IDLE_TIMEOUT_S,
    LINGER_S,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    Shared,
)
from mesh.errors import HeadersTooLargeError, MeshError

log = logging.getLogger("gateway.http2")

SEND_TIMEOUT_S: Final = 60.0
RESETS: Final = 200  # requests a client may take back at once,
RESETS_PER_S: Final = 100  # and then so many a second
UNREAD_BYTES: Final = 1 << 20


class Allowance:
    """How often something may be done: a supply that comes back with time."""

    def __init__(self, most: float, per_s: float, now_s: float) -> None:
        self._most, self._per_s = most, per_s
        self._left, self._at_s = most, now_s

    def __repr__(self) -> str:
        return f"<Allowance {self._left:.0f} of {self._most:.0f}>"

    def use(self, now_s: float) -> bool:
        """Take one; False if there is none left."""
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        self._left -= 1
        return self._left >= 0


class Http2Protocol(asyncio.Protocol):
    """One connection and its streams."""

    transport: Any
    link: Http2Link

    def __init__(
        self, config: Config, state: ServerState, handler: Handler, shared: Shared
    ) -> None:
        self._app = config.loaded_app
        self._state = state
        self._connections: set[Any] = state.connections
        self._handler = handler
        self._shared = shared
        self._now = now = asyncio.get_running_loop().time
        self._streams: dict[int, Stream] = {}
        self._lingering: dict[int, float] = {}  # answered, but their bodies still come: until when
        self._last = 0  # the newest stream that is served
        self._is_leaving = False
        self._idle_since_s = now()
        self._resets = Allowance(RESETS, RESETS_PER_S, now())

    def __repr__(self) -> str:
        return f"<Http2Protocol streams={len(self._streams)} leaving={self._is_leaving}>"

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with our settings."""
        self.transport = transport
        self._connections.add(self)
        self.link = Http2Link(transport, self._shared, Ends(self._done, self._drop))
        self.link.flush()

    def data_received(self, data: bytes) -> None:
        """Act on the frames that came; what breaks the protocol ends the connection."""
        if self.transport.is_closing():
            return
        try:
            events = self.link.h2.receive_data(data)
        except ProtocolError as exc:  # the library has worded the farewell
            log.debug("http2.broken %s", exc)
            self._end()
            return
        taken_back = {event.stream_id for event in events if isinstance(event, StreamReset)}
        for event in events:
            self._take(event, taken_back)
            if self.transport.is_closing():
                return
        self.link.flush()
        if self.transport.get_write_buffer_size() > UNREAD_BYTES:
            self.transport.abort()  # it asks and asks, and reads nothing

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every unanswered request of this connection that its client is gone."""
        self._connections.discard(self)
        self._lose_all()
        self._shared.on_lost()

    def pause_writing(self) -> None:
        """Hold bodies back: the client reads less than we send."""
        self.link.pause()

    def resume_writing(self) -> None:
        """Let bodies go on."""
        self.link.resume()

    # What the other side says.

    def _take(self, event: Event, taken_back: set[int]) -> None:
        match event:
            case RequestReceived(stream_id=number):
                if number not in taken_back:  # else it is not worth beginning
                    self._begin(number, read_head(event.headers))
            case DataReceived(stream_id=number):
                self._feed(number, event.data, event.flow_controlled_length)
            case StreamEnded(stream_id=number):
                self._complete(number)
            case StreamReset(stream_id=number):
                self._take_back(number)
            case WindowUpdated() | RemoteSettingsChanged():
                self.link.pump()
            case ConnectionTerminated():
                self._hear_goodbye(event.error_code)

    def _begin(self, number: int, head: Head) -> None:
        """Start a request one of two ways: an exchange of ours, or an ASGI task."""
        if self._is_leaving or len(self._streams) >= MAX_STREAMS:
            self.link.reset(number, ErrorCodes.REFUSED_STREAM)  # it may safely be sent again
            return
        self._last = number
        stream: Stream
        try:
            stream = self._open(number, head)
        except MeshError as error:
            stream = self._refuse(number, error)
        except Exception:  # a bug of ours is not blamed on the client, and not hidden
            log.exception("http2.failed")
            stream = self._refuse(number, MeshError())
        self._guard(stream, stream.start)

    def _open(self, number: int, head: Head) -> Stream:
        if head.size_bytes > MAX_HEAD_BYTES or len(head.headers) > MAX_HEADERS:
            raise HeadersTooLargeError
        check_head(head)
        fields = dict(head.headers)
        route = self._handler.find(head.method, head.url, fields)
        if route is None:
            return self._open_asgi(number, head)
        stream = ScoringStream(self.link, number, self._shared.now_s)
        stream.exchange = exchange = Exchange(stream, self._handler, self._now())
        exchange.method, exchange.url, exchange.route = head.method, head.url, route
        exchange.headers, exchange.header_list = fields, head.headers
        exchange.expects_continue = fields.get(b"expect", b"").lower() == b"100-continue"
        exchange.announced_bytes = int(fields.get(b"content-length", 0))
        self._streams[number] = stream
        return stream

    def _open_asgi(self, number: int, head: Head) -> Stream:
        stream = AsgiStream(self.link, number, self._shared.now_s)
        self._streams[number] = stream
        client = self.transport.get_extra_info("peername")
        task = stream.run(self._app, head, (client[0], client[1]) if client else None)
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)
        return stream

    def _refuse(self, number: int, error: MeshError) -> Stream:
        self._streams[number] = stream = Stream(self.link, number, self._shared.now_s)
        stream.answer(refusal(error), b"")
        return stream

    def _feed(self, number: int, data: bytes, size_bytes: int) -> None:
        stream = self._streams.get(number)
        if stream is None:
            self.link.acknowledge(number, size_bytes)  # of a request that is answered
        else:
            self._guard(stream, lambda: stream.feed(data, size_bytes))

    def _complete(self, number: int) -> None:
        self._lingering.pop(number, None)
        stream = self._streams.get(number)
        if stream is not None:
            self._guard(stream, stream.complete)

    def _guard(self, stream: Stream, step: Any) -> None:
        """Do a step of one request; a bug in it ends this request alone."""
        try:
            step()
        except Exception:
            log.exception("http2.failed")
            self._drop(stream, ErrorCodes.INTERNAL_ERROR)

    def _take_back(self, number: int) -> None:
        """Cancel a request; too many in too short a time are an attack."""
        self._lingering.pop(number, None)
        stream = self._streams.get(number)
        if stream is not None:
            self._forget(stream)
            stream.lose()
        if not self._resets.use(self._now()):
            log.warning("http2.too_many_resets %s", self.transport.get_extra_info("peername"))
            self.link.say_goodbye(self._last, ErrorCodes.ENHANCE_YOUR_CALM)
            self._end()

    def _hear_goodbye(self, code: ErrorCodes | int | None) -> None:
        if code != ErrorCodes.NO_ERROR:
            self._end()
            return
        self._is_leaving = True
        self._close_if_done()

    # Ends.

    def _done(self, stream: Stream) -> None:
        """Note that an answer is all sent; a body that is still on its way is not wanted.

        It may come for a while all the same: many a client takes a reset for the end of its answer.
        """
        self._state.total_requests += 1
        if not stream.is_whole:
            self._lingering[stream.number] = self._now() + LINGER_S
        self._forget(stream)
        self._close_if_done()

    def _drop(self, stream: Stream, code: ErrorCodes) -> None:
        """End a request without an answer."""
        self.link.reset(stream.number, code)
        self._forget(stream)
        stream.lose()

    def _forget(self, stream: Stream) -> None:
        self._streams.pop(stream.number, None)
        self.link.forget(stream)
        self._idle_since_s = self._now()

    def _lose_all(self) -> None:
        streams = list(self._streams.values())
        self._streams.clear()
        for stream in streams:
            self.link.forget(stream)
            stream.lose()

    def _end(self) -> None:
        """Send what is worded, and close."""
        self._lose_all()
        self.link.flush()
        self.transport.close()

    def _close_if_done(self) -> None:
        if self._is_leaving and not self._streams:
            self.link.flush()
            self.transport.close()

    def shutdown(self) -> None:
        """Close after the requests that are arriving or being answered, at once if none is."""
        self._is_leaving = True
        self.link.say_goodbye(self._last)
        self._close_if_done()

    def sweep(self, now_s: float) -> None:
        """End requests and answers that do not go on, and a connection without any."""
        for stream in list(self._streams.values()):
            limit_s = SEND_TIMEOUT_S if stream.is_whole else stream.limit_s
            if (not stream.is_whole or stream.left) and now_s - stream.since_s > limit_s:
                self._drop(stream, ErrorCodes.CANCEL)
        for number in [one for one, until_s in self._lingering.items() if now_s > until_s]:
            del self._lingering[number]
            self.link.reset(number, ErrorCodes.NO_ERROR)
        if not self._streams and now_s - self._idle_since_s > IDLE_TIMEOUT_S:
            self.shutdown()
