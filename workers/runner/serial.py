"""The loop of a sync script: one request at a time in the main thread, no event loop between.

Requests that arrived together are run one after another and answered together, as long as the
script is quick; a slow one never holds an answer back. Ring: service.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from typing import Any

from . import adapt, frames
from .cell import Cell
from .console import Console
from .frames import CANCELLED, Decoder, Frame
from .outbound import Outbound
from .report import report

RECEIVE_BYTES = 256 * 1024
FLUSH_NS = 500_000
# Answers are gathered only while no recent run() took longer than this.
QUICK_NS = 200_000
FORGET = 0.98  # per request, of the longest recent run
CLIENT_GONE = 499

_now_ns = time.monotonic_ns


class SupervisorGone(SystemExit):  # it ends the process, whoever catches Exception
    """The socket has ended: nobody is left to answer to."""

    def __init__(self) -> None:
        super().__init__(1)


class SerialLoop:
    """Takes requests in order, runs them, and looks after control frames in between."""

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
        self._queue: deque[Frame] = deque()
        self._cancelled: set[int] = set()
        self._paused: set[int] = set()
        self._streaming = 0
        self._begun = 0
        self._longest_ns = float(FLUSH_NS)
        self._stopping = False

    def serve(self) -> None:
        """Serve until told to stop.

        Raises:
            SupervisorGone: nobody is left to answer to.
        """
        queue = self._queue
        flushed_ns = 0
        while True:
            while not queue:
                self._out.flush()
                flushed_ns = _now_ns()
                if self._stopping:
                    return
                self._receive()
            ended_ns = self._run(queue.popleft())
            if self._longest_ns > QUICK_NS or ended_ns - flushed_ns > FLUSH_NS:
                flushed_ns = ended_ns
                self._out.flush()
                self._receive(socket.MSG_DONTWAIT)

    def _receive(self, flags: int = 0) -> None:
        try:
            data = self._sock.recv(RECEIVE_BYTES, flags)
        except BlockingIOError:
            return
        if not data:
            raise SupervisorGone
        for frame in self._decoder.feed(data):
            if frame[0] == frames.REQUEST:
                self._queue.append(frame)
            else:
                self._control(frame[0], frame[4])

    def _control(self, kind: int, number: int) -> None:
        if kind == frames.STOP:
            self._stopping = True
        elif kind == frames.PING:
            self._out.append(frames.head(frames.PONG))
        elif kind == frames.RESUME:
            self._paused.discard(number)
        elif number == self._streaming or any(frame[4] == number for frame in self._queue):
            (self._paused if kind == frames.PAUSE else self._cancelled).add(number)

    def _run(self, frame: Frame) -> int:
        """Run one request and put its answer on the way out; return when it ended."""
        _, flags, _, _, number, meta, body = frame
        started_ns = _now_ns()
        self._begun += 1
        self._cell.write(self._begun, started_ns)
        if number in self._cancelled:
            self._cancelled.discard(number)
            self._paused.discard(number)
            self._out.append(adapt.ending(number, 0, CANCELLED, CLIENT_GONE))
            return started_ns
        request = adapt.read_meta(flags, meta)
        console = self._console
        console.request_id = request.request_id
        try:
            result = self._call(request, body)
            if adapt.is_stream(result):
                self._stream(number, result, started_ns)
                return self._ended(started_ns)
            data = self._encode(result)
        except SystemExit:
            with contextlib.suppress(OSError):
                self._out.flush()
            raise
        except BaseException as exc:  # the per-message boundary: the script may raise anything
            report(exc)
            ended_ns = self._ended(started_ns)
            self._out.append(adapt.failure(number, micros_between(started_ns, ended_ns), exc))
            return ended_ns
        ended_ns = self._ended(started_ns)
        self._out.append(self._answer(number, micros_between(started_ns, ended_ns), data))
        return ended_ns

    def _ended(self, started_ns: int) -> int:
        self._console.end_lines()
        ended_ns = _now_ns()
        self._longest_ns = max(self._longest_ns * FORGET, ended_ns - started_ns)
        return ended_ns

    def _stream(self, number: int, chunks: Any, started_ns: int) -> None:
        """Send what a generator yields, as fast as the other side wants it."""
        self._streaming = number
        flags, status = 0, 200
        is_first = True
        try:
            for value in chunks:
                self._out.append(adapt.chunk(number, value, is_first))
                is_first = False
                if not self._may_continue(number):
                    chunks.close()
                    flags, status = CANCELLED, CLIENT_GONE
                    break
        finally:
            self._streaming = 0
            self._paused.discard(number)
            self._cancelled.discard(number)
        self._out.append(adapt.ending(number, micros_between(started_ns, _now_ns()), flags, status))

    def _may_continue(self, number: int) -> bool:
        """Send, and wait while the stream is paused; False if it has been cancelled."""
        self._out.flush()
        self._receive(socket.MSG_DONTWAIT)
        while number in self._paused and number not in self._cancelled:
            self._receive()
        return number not in self._cancelled


def micros_between(started_ns: int, ended_ns: int) -> int:
    """Return a duration as a frame carries it."""
    return min((ended_ns - started_ns) // 1000, frames.MICROS_LIMIT)
