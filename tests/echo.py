"""An application for tests of the gateway's HTTP server: it answers with what it is sent."""

import asyncio

from gateway.edge import Response, refusal

LIMIT_BYTES = 100_000
HANG = b"hang"


class Echo:
    """Answers with the body; one that says `hang` is held until `release`."""

    max_body_bytes = LIMIT_BYTES
    early_bytes = 1000
    inline_bytes = LIMIT_BYTES

    def __init__(self):
        self.gone = asyncio.Event()
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()

    # As an ASGI application, on every other path.

    async def __call__(self, scope, receive, send):
        part = {"more_body": True}
        body = b""
        while part.get("more_body"):
            part = await receive()
            body += part["body"]
        if body == HANG:
            self.arrived.set()
            await self._wait(receive)
        if scope["path"] == "/asgi/chunks":
            await self._send_chunks(send)
            return
        head = [(b"content-length", b"%d" % len(body)), (b"x-way", b"asgi")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def _wait(self, receive):
        leaving = asyncio.ensure_future(receive())
        released = asyncio.ensure_future(self.release.wait())
        await asyncio.wait({leaving, released}, return_when=asyncio.FIRST_COMPLETED)
        if leaving.done() and leaving.result()["type"] == "http.disconnect":
            self.gone.set()
        leaving.cancel()
        released.cancel()

    async def _send_chunks(self, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await self.release.wait()
        await send({"type": "http.response.body", "body": b"second"})

    # As a handler of exchanges, on /score.

    def find(self, method, url, headers):
        return "route" if url == b"/score" else None

    def admit(self, exchange):
        return True

    def start(self, exchange):
        exchange.context = "started"
        if exchange.body == HANG:
            self.arrived.set()
            self._task = asyncio.ensure_future(self._answer_later(exchange))
        else:
            self._answer(exchange)

    async def _answer_later(self, exchange):
        await self.release.wait()
        self._answer(exchange)

    def _answer(self, exchange):
        exchange.respond(Response(200, b"x-way: exchange\r\n", exchange.body), b"")

    def reject(self, exchange, error):
        exchange.respond(refusal(error), b"")

    def abandon(self, exchange):
        self.gone.set()
