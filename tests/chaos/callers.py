"""Connections that see what a client library hides: a second answer, and a cut."""

import asyncio
from typing import NamedTuple

CONNECT_S = 2.0


class HttpAnswer(NamedTuple):
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class CutError(Exception):
    """The connection ended while a request was open on it."""


class RefusedError(Exception):
    """No gateway took a connection: nothing was sent."""


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection with one request at a time. `surplus`: answers nobody asked for."""

    def __init__(self) -> None:
        self.surplus = 0
        self.is_open = False
        self._data = b""
        self._waiting: asyncio.Future[HttpAnswer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(CutError(str(exc or "end of stream")))

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (answer := self._next()) is not None:
            waiting, self._waiting = self._waiting, None
            if waiting is None or waiting.done():
                self.surplus += 1
            else:
                waiting.set_result(answer)

    async def ask(self, data: bytes, timeout_s: float) -> HttpAnswer:
        """Send a request and wait for its answer."""
        self._waiting = waiting = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiting
        except TimeoutError:
            self._transport.close()
            raise

    def close(self) -> None:
        self._transport.close()

    def _next(self) -> HttpAnswer | None:
        """Take the first whole answer out of what has come."""
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        size = int(headers.get("content-length", 0))
        if len(rest) < size:
            return None
        self._data = rest[size:]
        return HttpAnswer(int(first.split()[1]), headers, rest[:size])


class Pool:
    """Connections to the gateways, taken in turn; a gateway that takes none is passed over."""

    def __init__(self, ports: list[int]) -> None:
        self.surplus = 0
        self._ports = ports
        self._turn = 0
        self._idle: dict[int, list[Connection]] = {port: [] for port in ports}

    async def ask(self, data: bytes, timeout_s: float) -> HttpAnswer:
        """Ask the next gateway, as somebody behind a load balancer would.

        Raises:
            CutError: the connection ended first.
            RefusedError: no gateway took a connection.
            TimeoutError: no answer in time.
        """
        port, connection = await self._take()
        answer = await connection.ask(data, timeout_s)
        if answer.headers.get("connection") == "close":
            connection.close()
        else:
            self._idle[port].append(connection)
        return answer

    async def _take(self) -> tuple[int, Connection]:
        self._turn = turn = (self._turn + 1) % len(self._ports)
        for port in (*self._ports[turn:], *self._ports[:turn]):
            while self._idle[port]:
                connection = self._idle[port].pop()
                self.surplus += connection.surplus
                connection.surplus = 0
                if connection.is_open:
                    return port, connection
            try:
                return port, await self._open(port)
            except (OSError, TimeoutError):
                continue
        raise RefusedError

    async def _open(self, port: int) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_S):
            _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
        return connection

    def close(self) -> int:
        """Close all; return how many answers came that nobody had asked for."""
        for connections in self._idle.values():
            for connection in connections:
                self.surplus += connection.surplus
                connection.close()
        return self.surplus
