"""The loop of an async script: every request is a task of one asyncio loop. Ring: service."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import Any

from . import adapt, frames
from .cell import Cell
from .console import Console, current_id
from .frames import CANCELLED, Decoder, Frame
from .outbound import Outbound
from .report import report
from .serial import CLIENT_GONE, RECEIVE_BYTES, SupervisorGone, micros_between

_now_ns = time.monotonic_ns


class TaskLoop:
    """Begins each request when it arrives; the supervisor bounds how many there are."""

    def __init__(
        self,
        sock: socket.socket,
        cell: Cell,
        console: Console,
        form: adapt.Form,
    ) -> None:
        self._sock = sock
        self._cell = cell
        self._console = console
        self._call, self._encode, self._answer = form
        self._out = Outbound(sock)
        self._decoder = Decoder()
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._fresh: set[int] = set()  # tasks whose first step is still to come
        self._cancelled: set[int] = set()
        self._gates: dict[int, asyncio.Event] = {}  # requests that were paused; set: go on
        self._begun = 0
        self._stopping = self._is_leaving = False
        self._flush_due = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended: asyncio.Future[None] = self._loop.create_future()

    async def serve(self) -> None:
        """Serve until told to stop.

        Raises:
            SupervisorGone: nobody is left to answer to.
        """
        self._sock.setblocking(False)
        self._loop.add_reader(self._sock, self._receive)
        await self._ended
        self._loop.remove_reader(self._sock)
        await self._writable.wait()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        if not data:
            raise SupervisorGone
        for frame in self._decoder.feed(data):
            if frame[0] == frames.REQUEST:
                self._fresh.add(frame[4])
                self._tasks[frame[4]] = self._loop.create_task(self._run(frame))
            else:
                self._control(frame[0], frame[4])

    def _control(self, kind: int, number: int) -> None:
        if kind == frames.STOP:
            self._stopping = True
            self._note_end()
        elif kind == frames.PING:
            self._send(frames.head(frames.PONG))
        elif kind == frames.CANCEL and number in self._tasks:
            self._cancelled.add(number)
            if number not in self._fresh:  # one that is will see it before it begins
                self._tasks[number].cancel()
        elif kind == frames.PAUSE and number in self._tasks:
            self._gates.setdefault(number, asyncio.Event()).clear()
        elif kind == frames.RESUME and number in self._gates:
            self._gates[number].set()

    def _note_end(self) -> None:
        if self._stopping and not self._tasks and not self._ended.done():
            self._flush()
            self._ended.set_result(None)

    async def _run(self, frame: Frame) -> None:
        _, flags, _, _, number, meta, body = frame
        started_ns = _now_ns()
        self._begun += 1
        self._cell.write(self._begun, started_ns)
        self._fresh.discard(number)
        request = adapt.read_meta(flags, meta)
        current_id.set(request.request_id)
        try:
            data = await self._attempt(number, request, body, started_ns)
        except SystemExit:  # it ends the process: what the neighbours say meanwhile is not said
            with contextlib.suppress(OSError):
                self._out.flush()
            self._is_leaving = True
            raise
        except BaseException as exc:  # the per-message boundary: the script may raise anything
            data = self._failure(number, micros_between(started_ns, _now_ns()), exc)
        self._console.end_lines()
        del self._tasks[number]
        self._cancelled.discard(number)
        self._gates.pop(number, None)
        self._send(data)
        self._note_end()

    async def _attempt(
        self, number: int, request: adapt.Request, body: bytes, started_ns: int
    ) -> bytes:
        if number in self._cancelled:
            return adapt.ending(number, 0, CANCELLED, CLIENT_GONE)
        result = self._call(request, body)
        if not adapt.is_stream(result):
            result = await result
        if adapt.is_stream(result):
            await self._stream(number, result)
            return adapt.ending(number, micros_between(started_ns, _now_ns()), 0, 200)
        data = self._encode(result)
        return self._answer(number, micros_between(started_ns, _now_ns()), data)

    def _failure(self, number: int, micros: int, error: BaseException) -> bytes:
        if isinstance(error, asyncio.CancelledError) and number in self._cancelled:
            return adapt.ending(number, micros, CANCELLED, CLIENT_GONE)
        report(error)
        return adapt.failure(number, micros, error)

    async def _stream(self, number: int, chunks: Any) -> None:
        pieces = _each(chunks)
        is_first = True
        try:
            async for value in pieces:
                self._send(adapt.chunk(number, value, is_first))
                is_first = False
                await asyncio.sleep(0)  # lets control frames and other requests in
                await self._writable.wait()
                if number in self._gates:
                    await self._gates[number].wait()
        finally:
            await pieces.aclose()

    def _send(self, data: bytes) -> None:
        if self._is_leaving:
            return
        self._out.append(data)
        if not self._tasks:
            self._flush()  # nothing else is on its way: no need to gather
        elif not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._out.flush():
            if not self._writable.is_set():
                self._writable.set()
                self._loop.remove_writer(self._sock)
        elif self._writable.is_set():
            self._writable.clear()
            self._loop.add_writer(self._sock, self._flush)


async def _each(chunks: Any) -> Any:
    """Iterate either kind of generator, and close it however the iteration ends."""
    if hasattr(chunks, "__anext__"):
        try:
            async for value in chunks:
                yield value
        finally:
            await chunks.aclose()
        return
    try:
        for value in chunks:
            yield value
    finally:
        chunks.close()
