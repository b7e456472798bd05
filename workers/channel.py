"""Our end of the socket to a runner process: frames out, frames in, never blocking.

Writes are gathered per turn of the event loop. Reading is ours, not a transport's, so that all a
dead process has sent can be taken in at once. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

from workers.runner.frames import Decoder, Frame, FrameError
from workers.runner.outbound import Outbound

log = logging.getLogger("workers.channel")

RECEIVE_BYTES: Final = 256 * 1024

_buffer = memoryview(bytearray(RECEIVE_BYTES))  # filled and copied from within one callback


class Channel:
    """A socket and its codec.

    `on_end` is called when the other side has closed, or sends what is no frame.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_frames: Callable[[list[Frame]], None],
        on_end: Callable[[], None],
        on_unblocked: Callable[[], None],
    ) -> None:
        self._sock = sock
        self._on_frames, self._on_end, self._on_unblocked = on_frames, on_end, on_unblocked
        self._loop = asyncio.get_running_loop()
        self._out = Outbound(sock)
        self._decoder = Decoder()
        self._flush_due = False
        self._is_open = True
        self.is_blocked = False
        self._loop.add_reader(sock, self._read)

    def __repr__(self) -> str:
        return f"<Channel open={self._is_open} blocked={self.is_blocked} {self._out!r}>"

    def send(self, *parts: bytes) -> None:
        """Send parts in order, at the end of this turn of the loop."""
        self._out.extend(parts)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if not self._is_open:
            return
        try:
            is_blocked = not self._out.flush()
        except OSError:
            return  # the other side has gone; the read side tells
        if is_blocked == self.is_blocked:
            return
        self.is_blocked = is_blocked
        if is_blocked:
            self._loop.add_writer(self._sock, self._flush)
        else:
            self._loop.remove_writer(self._sock)
            self._on_unblocked()

    def _read(self) -> bool:
        """Read once; False if there is nothing now, or will be nothing any more."""
        try:
            size = self._sock.recv_into(_buffer)
        except BlockingIOError:
            return False
        except OSError:
            size = 0
        try:
            if size:
                self._on_frames(self._decoder.feed(bytes(_buffer[:size])))
                return self._is_open
        except FrameError as exc:
            log.error("channel.broken %s", exc)
        self._loop.remove_reader(self._sock)
        self._on_end()
        return False

    def close(self) -> None:
        """Take in all that has been sent to us, then close."""
        if not self._is_open:
            return
        while self._read():
            pass
        self._is_open = False
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
