"""A plain HTTP/2 client for tests: nothing is done behind a test's back."""

import asyncio
import contextlib
import ssl

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

from tests.rawhttp import Answer


class _Connection(H2Connection):
    """Goes on reading after a farewell, as a client must."""

    def _receive_goaway_frame(self, frame):
        said = ConnectionTerminated()
        said.error_code, said.last_stream_id = frame.error_code, frame.last_stream_id
        return [], [said]


HEAD = ((":scheme", "http"), (":authority", "localhost"))


class Client2:
    """One connection with prior knowledge. `takes`: whether windows are opened as bodies come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.takes = True
        self.conn = _Connection(
            H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        self.heads: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.told: list[int] = []  # streams that were told to go on
        self.resets: dict[int, int] = {}
        self.goodbye: ConnectionTerminated | None = None

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext | None = None) -> "Client2":
        self = cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))
        self.conn.initiate_connection()
        self.flush()
        return self

    def flush(self) -> None:
        self.writer.write(self.conn.data_to_send())

    def begin(self, path: str, *headers: tuple[str, str], ends: bool = False, method="POST") -> int:
        """Send a head; return the stream's number."""
        number = self.conn.get_next_available_stream_id()
        self.bodies[number] = b""
        fields = [(":method", method), (":path", path), *HEAD, *headers]
        self.conn.send_headers(number, fields, end_stream=ends)
        self.flush()
        return number

    def request(self, path: str, body: bytes = b"", *headers: tuple[str, str]) -> int:
        """Send a whole request that fits the window; return the stream's number."""
        number = self.begin(path, *headers, ends=not body)
        if body:
            self.send(number, body, ends=True)
        return number

    def send(self, number: int, data: bytes, *, ends: bool = False) -> None:
        """Send a piece of a body."""
        size = self.conn.max_outbound_frame_size
        pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for piece in pieces[:-1]:
            self.conn.send_data(number, piece)
        self.conn.send_data(number, pieces[-1], end_stream=ends)
        self.flush()

    def reset(self, number: int) -> None:
        """Take a request back."""
        self.conn.reset_stream(number)
        self.flush()

    async def until(self, is_true) -> None:
        """Read until it is true, or the server has closed."""
        while not is_true() and (data := await self.reader.read(65536)):
            for event in self.conn.receive_data(data):
                self._take(event)
            self.flush()

    def _take(self, event) -> None:
        match event:
            case ResponseReceived():
                self.heads[event.stream_id] = {n.decode(): v.decode() for n, v in event.headers}
            case InformationalResponseReceived():
                self.told.append(event.stream_id)
            case DataReceived():
                self.bodies[event.stream_id] += event.data
                if self.takes:
                    self.conn.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id
                    )
            case StreamEnded():
                self.ended.add(event.stream_id)
            case StreamReset():
                self.resets[event.stream_id] = event.error_code
            case ConnectionTerminated():
                self.goodbye = event

    async def answer(self, number: int) -> Answer:
        """The whole answer on a stream."""
        await self.until(lambda: number in self.ended or number in self.resets)
        head = self.heads[number]
        return Answer(int(head[":status"]), head, self.bodies[number])

    async def ask(self, path: str, body: bytes = b"", *headers: tuple[str, str]) -> Answer:
        return await self.answer(self.request(path, body, *headers))

    async def is_closed(self) -> bool:
        """Read on until the server closes."""
        with contextlib.suppress(ConnectionError):
            await self.until(lambda: False)
        return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()
