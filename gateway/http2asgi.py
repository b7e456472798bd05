"""An HTTP/2 request as the ASGI application sees it: for all that is no scoring request.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import unquote

from gateway.edge import refusal
from gateway.http2head import Fields, Head
from gateway.http2streams import Link, Stream
from mesh.errors import MeshError

log = logging.getLogger("gateway.http2")

AHEAD_BYTES: Final = 64 * 1024
HOP_BY_HOP: Final = (b"connection", b"keep-alive", b"transfer-encoding", b"upgrade")

Message = MutableMapping[str, Any]


class AsgiStream(Stream):
    """Runs the application in a task; it reads the body and writes the answer at its own pace."""

    def __init__(self, link: Link, number: int, since_s: float) -> None:
        super().__init__(link, number, since_s)
        self._pieces: list[tuple[bytes, int]] = []
        self._news = asyncio.Event()  # a piece of the body, its end, or the client's
        self._room = asyncio.Event()
        self._room.set()
        self._is_lost = False
        self._is_started = False
        self._is_head = False
        self._waits_for_continue = False
        self._is_body_told = False

    def run(self, app: Any, head: Head, client: tuple[str, int] | None) -> asyncio.Task[None]:
        """Run the application."""
        self._is_head = head.method == b"HEAD"
        self._waits_for_continue = (b"expect", b"100-continue") in head.headers
        return asyncio.ensure_future(self._run(app, scope_of(head, client)))

    async def _run(self, app: Any, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception:  # the per-request boundary: the others of this connection go on
            log.exception("http2.application_failed")
        if not self.ends and not self._is_lost:
            self._fail()

    def _fail(self) -> None:
        """End an answer that the application did not."""
        if self._is_started:
            self.link.send_body(self, b"", ends=True)
        else:
            self.answer(refusal(MeshError()), b"")

    # What the connection tells.

    def feed(self, data: bytes, size_bytes: int) -> None:
        """Keep a piece of the body until the application wants it; only then more may come."""
        if self.ends or not data:
            self.link.consume(self, size_bytes)
            return
        self._pieces.append((data, size_bytes))
        self._news.set()

    def complete(self) -> None:
        """Note that the body is here."""
        self.is_whole = True
        self._news.set()

    def lose(self) -> None:
        """Tell the application that its client is gone."""
        self._is_lost = True
        self._news.set()
        self._room.set()

    def release(self) -> None:
        """Give back the room of what the application did not read."""
        super().release()
        pieces, self._pieces = self._pieces, []
        if pieces:
            self.link.consume(self, sum(size_bytes for _, size_bytes in pieces))

    def moved(self) -> None:
        """Let the application go on once the other side has taken enough."""
        if self.left_bytes < AHEAD_BYTES:
            self._room.set()

    # What the application asks.

    async def _receive(self) -> Message:
        if self._waits_for_continue and not self._pieces and not self.is_whole:
            self._waits_for_continue = False
            self.link.send_continue(self)
        while not self._is_lost:
            if self._pieces or (self.is_whole and not self._is_body_told):
                return self._body()
            if self.ends:
                break
            self._news.clear()
            await self._news.wait()
        return {"type": "http.disconnect"}

    def _body(self) -> Message:
        data, size_bytes = self._pieces.pop(0) if self._pieces else (b"", 0)
        if size_bytes:
            self.link.consume(self, size_bytes)
        self._is_body_told = self.is_whole and not self._pieces
        return {"type": "http.request", "body": data, "more_body": not self._is_body_told}

    async def _send(self, message: Message) -> None:
        if self._is_lost or self.ends:
            return
        if message["type"] == "http.response.start":
            self._is_started = True
            fields = [(b":status", b"%d" % message["status"]), *self._fields(message)]
            self.link.send_head(self, fields, ends=False)
            return
        body = b"" if self._is_head else bytes(message.get("body", b""))
        is_last = not message.get("more_body", False)
        if body or is_last:
            self.link.send_body(self, body, ends=is_last)
        if self.left_bytes >= AHEAD_BYTES:
            self._room.clear()
        await self._room.wait()

    def _fields(self, message: Message) -> Fields:
        date = self.link.date_line.rstrip().partition(b": ")[2]
        given = [(bytes(n).lower(), bytes(v)) for n, v in message.get("headers", ())]
        return [(b"date", date), *(pair for pair in given if pair[0] not in HOP_BY_HOP)]


def scope_of(head: Head, client: tuple[str, int] | None) -> dict[str, Any]:
    """Return the ASGI scope of a request."""
    raw_path, _, query = head.url.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2",
        "method": head.method.decode("ascii", "replace"),
        "scheme": head.scheme.decode("ascii", "replace"),
        "path": unquote(raw_path.decode("ascii", "replace")),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": head.headers,
        "client": client,
        "server": None,
        "state": {},
    }
