"""A TCP proxy between a program and the broker: it can be slow, silent or cut, and open again."""

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
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._held = 0
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

    def hold(self) -> None:
        """Keep whatever comes."""
        self._held = 0
        self._is_open.clear()

    def release(self) -> int:
        """Send on what was kept; return how many bytes it was."""
        self._is_open.set()
        return self._held

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        self.release()
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
        tasks = {
            asyncio.create_task(self._pump(reader, back)),
            asyncio.create_task(self._pump(there, writer)),
        }
        self._tasks |= tasks
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in pair:
            one.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writers -= pair
        self._tasks -= tasks

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on what comes, in order, each piece `delay_s` after it came."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.create_task(self._send(pieces, writer))
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK_BYTES):
                self.bytes += len(data)
                self._held += 0 if self._is_open.is_set() else len(data)
                pieces.put_nowait((loop.time() + self.delay_s, data))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()

    async def _send(
        self, pieces: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s, data = await pieces.get()
            if (wait_s := due_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            await self._is_open.wait()
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
