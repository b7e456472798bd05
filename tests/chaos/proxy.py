"""A TCP proxy between a program and the broker: it can be slow, or cut, and open again."""

import asyncio
import contextlib

CHUNK_BYTES = 65536


class Proxy:
    """Forwards connections to one port; `delay_s` is added each way."""

    def __init__(self, target_port: int) -> None:
        self.delay_s = 0.0
        self.taken = 0
        self.refused = 0
        self.bytes = 0
        self._target_port = target_port
        self._is_cut = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Listen, and return where."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> int:
        """End all connections and take none; return how many were ended."""
        self._is_cut = True
        ended = len(self._writers) // 2
        for writer in self._writers:
            writer.transport.abort()
        return ended

    def mend(self) -> None:
        """Take connections again."""
        self._is_cut = False

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            self.refused += 1
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self.taken += 1
        pair = {writer, back}
        self._writers |= pair
        ways = [self._pump(reader, back), self._pump(there, writer)]
        tasks = {asyncio.create_task(way) for way in ways}
        self._tasks |= tasks
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in pair:
            one.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writers -= pair
        self._tasks -= tasks

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on what comes, each piece `delay_s` later, without holding up the next one."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK_BYTES):
                self.bytes += len(data)
                if self.delay_s:
                    loop.call_later(self.delay_s, _write, writer, data)
                else:
                    writer.write(data)
                    await writer.drain()
        writer.close()


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():
        writer.write(data)
