"""A client that speaks the NATS protocol by hand over a plain socket, as any program could."""

import asyncio
import itertools
import json
from collections import deque
from typing import NamedTuple
from urllib.parse import urlsplit


class Told(NamedTuple):
    """A message: MSG, or HMSG with its headers."""

    subject: str
    reply: str
    headers: dict[str, str]
    body: bytes


class NatsSocket:
    """One connection. Commands go out as they stand in the protocol's description."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._kept: deque[Told] = deque()

    @classmethod
    async def open(
        cls, url: str, user: str = "", password: str = "", inbox: str = "_INBOX"
    ) -> "NatsSocket":
        address = urlsplit(url)
        client = cls(*await asyncio.open_connection(address.hostname, address.port))
        assert (await client._reader.readline()).startswith(b"INFO ")
        said = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True}
        if user:
            said |= {"user": user, "pass": password}
        client._inbox = inbox
        client.send(b"CONNECT " + json.dumps(said).encode() + b"\r\nPING\r\n")
        if (line := await client._reader.readline()) != b"PONG\r\n":
            await client.close()
            raise PermissionError(line.decode())
        return client

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._writer.write(data)

    def publish(self, subject: str, body: bytes, reply: str = "", **headers: str) -> None:
        """PUB, or HPUB if there are headers; `_` in their names is a dash."""
        if not headers:
            self.send(f"PUB {subject} {reply} {len(body)}\r\n".encode() + body + b"\r\n")
            return
        lines = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
        head = f"NATS/1.0\r\n{lines}\r\n".encode()
        sizes = f"{len(head)} {len(head) + len(body)}"
        self.send(f"HPUB {subject} {reply} {sizes}\r\n".encode() + head + body + b"\r\n")

    def subscribe(self, subject: str) -> int:
        """SUB; the messages come through `next`."""
        number = next(self._numbers)
        self.send(f"SUB {subject} {number}\r\n".encode())
        return number

    async def request(self, subject: str, body: bytes, **headers: str) -> Told:
        """Ask, and wait for the one answer."""
        reply = f"{self._inbox}.{next(self._numbers)}"
        number = self.subscribe(reply)
        self.send(f"UNSUB {number} 1\r\n".encode())
        self.publish(subject, body, reply, **headers)
        while (told := await self._read()).subject != reply:
            self._kept.append(told)
        return told

    async def next(self) -> Told:
        """Wait for a message that no request has waited for."""
        return self._kept.popleft() if self._kept else await self._read()

    async def _read(self) -> Told:
        while True:
            line = (await self._reader.readline()).decode().rstrip("\r\n")
            words = line.split()
            if not words or words[0] == "-ERR":
                raise ConnectionError(line or "the server has closed the connection")
            if words[0] == "PING":
                self.send(b"PONG\r\n")
            elif words[0] in ("MSG", "HMSG"):
                return await self._message(words)

    async def _message(self, words: list[str]) -> Told:
        total = int(words[-1])
        payload = (await self._reader.readexactly(total + 2))[:total]
        has_headers = words[0] == "HMSG"
        size = int(words[-2]) if has_headers else 0
        reply = words[3] if len(words) == 5 + has_headers else ""
        first, *lines = payload[:size].decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        if status := first.removeprefix("NATS/1.0").strip():
            headers["Status"] = status.split()[0]
        return Told(words[1], reply, headers, payload[size:])
