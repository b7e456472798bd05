"""The sending side of an HTTP/2 connection: heads, bodies within the windows, and the end.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event
from h2.exceptions import FrameTooLargeError, ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame, GoAwayFrame

from gateway.http2head import Fields
from gateway.http2streams import CONTINUE, Stream
from gateway.protocol import Shared

MAX_STREAMS: Final = 256
# What a client may open before it has read our settings: what is too much is refused, not the end.
FIRST_STREAMS: Final = 4096
HEADER_LIST_BYTES: Final = 64 * 1024  # above our own limit, so that a little too much is a 431
STREAM_WINDOW_BYTES: Final = 1 << 20
CONNECTION_WINDOW_BYTES: Final = 8 << 20
FIRST_WINDOW_BYTES: Final = 65_535  # what the protocol starts a connection with
FRAME_BYTES: Final = 64 * 1024
GATHER_BYTES: Final = 256 * 1024
HEAD_BYTES: Final = 9


class _Connection(H2Connection):
    """The library's connection, but for two things.

    It goes on after a client's farewell, who waits for answers; and it does not wait for all of a
    frame that is too large before it says so.
    """

    def receive_data(self, data: Any) -> list[Event]:
        events = super().receive_data(data)
        if len(self.incoming_buffer._data) > self.max_inbound_frame_size + HEAD_BYTES:
            self._terminate_connection(ErrorCodes.FRAME_SIZE_ERROR)
            raise FrameTooLargeError
        return events

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        if frame.error_code != ErrorCodes.NO_ERROR:
            return super()._receive_goaway_frame(frame)
        said = ConnectionTerminated()
        said.error_code, said.last_stream_id = ErrorCodes.NO_ERROR, frame.last_stream_id
        return [], [said]


def new_connection() -> H2Connection:
    """Return the server's end of a connection, its first frames ready to be sent."""
    config = H2Configuration(
        client_side=False,
        header_encoding=None,
        validate_inbound_headers=False,
        normalize_inbound_headers=False,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )
    connection = _Connection(config)
    connection.local_settings = Settings(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: FIRST_STREAMS,
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
            SettingCodes.MAX_HEADER_LIST_SIZE: HEADER_LIST_BYTES,
            SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
        },
    )
    connection.decoder.max_header_list_size = HEADER_LIST_BYTES
    connection.initiate_connection()
    connection.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS})
    connection.increment_flow_control_window(CONNECTION_WINDOW_BYTES - FIRST_WINDOW_BYTES)
    return connection


class Ends(NamedTuple):
    """Who hears that an answer is all sent, and who ends a stream without one."""

    done: Callable[[Stream], None]
    drop: Callable[[Stream, ErrorCodes], None]


class Http2Link:
    """Sends for the streams of one connection."""

    def __init__(self, transport: Any, shared: Shared, ends: Ends) -> None:
        self.h2 = new_connection()
        self._transport = transport
        self._shared = shared
        self._ends = ends
        self._waiting: dict[int, Stream] = {}  # whose answers the other side does not take yet
        self._loop = asyncio.get_running_loop()
        self._flush_due = False
        self._is_paused = False

    def __repr__(self) -> str:
        return f"<Http2Link waiting={len(self._waiting)} paused={self._is_paused}>"

    @property
    def date_line(self) -> bytes:
        """The date header of an answer."""
        return self._shared.date_line

    # What streams ask.

    def send_head(self, stream: Stream, fields: Fields, *, ends: bool) -> None:
        """Send a head; `ends`: no body follows."""
        with contextlib.suppress(ProtocolError):  # the other side has just taken it back
            self.h2.send_headers(stream.number, fields, end_stream=ends)
        stream.since_s = self._shared.now_s
        stream.ends = ends
        if ends:
            self._ends.done(stream)
        self.flush_soon()

    def send_body(self, stream: Stream, data: bytes, *, ends: bool) -> None:
        """Send a piece of a body as the other side takes it; `ends`: it was the last."""
        stream.ends = ends
        if data or ends:
            stream.left.append(memoryview(data))
        self._waiting[stream.number] = stream
        self.pump()
        self.flush_soon()

    def send_continue(self, stream: Stream) -> None:
        """Tell a client that waits for it to send the body."""
        with contextlib.suppress(ProtocolError):
            self.h2.send_headers(stream.number, CONTINUE)
        self.flush_soon()

    def consume(self, stream: Stream, size_bytes: int) -> None:
        """Let the other side send so much more."""
        self.acknowledge(stream.number, size_bytes)
        self.flush_soon()

    def break_off(self, stream: Stream, code: ErrorCodes) -> None:
        """End a stream whose answer cannot be brought to its end."""
        self._ends.drop(stream, code)

    # What the connection asks.

    def acknowledge(self, number: int, size_bytes: int) -> None:
        """Give back the room that so much of a body has taken."""
        with contextlib.suppress(ProtocolError):
            self.h2.acknowledge_received_data(size_bytes, number)

    def reset(self, number: int, code: ErrorCodes) -> None:
        """End a stream; harmless if it has ended."""
        with contextlib.suppress(ProtocolError):
            self.h2.reset_stream(number, code)
        self.flush_soon()

    def forget(self, stream: Stream) -> None:
        """Send no more of an answer."""
        self._waiting.pop(stream.number, None)
        stream.release()

    def pause(self) -> None:
        """Send no more bodies for now: the transport has enough."""
        self._is_paused = True

    def resume(self) -> None:
        """Send again."""
        self._is_paused = False
        self.pump()
        self.flush()

    def pump(self) -> None:
        """Send of each answer what the windows allow, a frame each in turn."""
        moved, gathered = True, 0
        while moved and self._waiting and not self._is_paused:
            moved = False
            for stream in list(self._waiting.values()):
                sent = self._send_frame(stream)
                moved, gathered = moved or sent > 0, gathered + sent
                if gathered > GATHER_BYTES:
                    self.flush()
                    gathered = 0

    def _send_frame(self, stream: Stream) -> int:
        """Send one frame of an answer; return its size with its head, 0 if none may be sent now."""
        number, h2 = stream.number, self.h2
        try:
            piece = self._next_piece(stream)
            if piece is None:
                return 0
            h2.send_data(number, piece.tobytes(), end_stream=stream.ends and not stream.left)
        except ProtocolError:  # the other side has just taken it back
            self._waiting.pop(number, None)
            return 0
        stream.since_s = self._shared.now_s
        stream.moved()
        if not stream.left:
            self._waiting.pop(number, None)
            if stream.ends:
                self._ends.done(stream)
        return HEAD_BYTES + len(piece)

    def _next_piece(self, stream: Stream) -> memoryview | None:
        """Take out what may be sent next; the end of an answer needs no room."""
        if stream.left and not stream.left[0]:
            return stream.left.popleft()
        window = self.h2.local_flow_control_window(stream.number)
        room = min(window, self.h2.max_outbound_frame_size, FRAME_BYTES)
        return stream.take(room) if room > 0 and stream.left else None

    def flush_soon(self) -> None:
        """Write what is to be sent at the end of this turn of the loop."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is to be sent."""
        self._flush_due = False
        if (data := self.h2.data_to_send()) and not self._transport.is_closing():
            self._transport.write(data)

    def say_goodbye(self, last_stream: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Tell the other side that no later stream is served; those there are go on.

        The library takes its own farewell for the end of everything.
        """
        farewell = GoAwayFrame(0, last_stream_id=last_stream, error_code=code)
        self.flush()
        if not self._transport.is_closing():
            self._transport.write(farewell.serialize())
