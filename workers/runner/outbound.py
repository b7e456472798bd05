"""Bytes on their way into a socket, gathered and sent many at once without joining large ones.

Shared by both sides; works on blocking and non-blocking sockets. Ring: adapter.
"""

from __future__ import annotations

import socket

BUFFERS_AT_ONCE = 256  # the system takes 1024


class Outbound:
    """What is still to be sent, in order."""

    def __init__(self, sock: socket.socket) -> None:
        self._send = sock.sendmsg
        self._parts: list[bytes | memoryview] = []
        self.append = self._parts.append
        self.extend = self._parts.extend

    def __repr__(self) -> str:
        return f"<Outbound parts={len(self._parts)}>"

    def __bool__(self) -> bool:
        return bool(self._parts)

    def flush(self) -> bool:
        """Send all there is; False if the socket took only a part for now."""
        parts = self._parts
        while parts:
            batch = parts[:BUFFERS_AT_ONCE] if len(parts) > BUFFERS_AT_ONCE else parts
            try:
                sent = self._send(batch)
            except BlockingIOError:
                return False
            self._drop(sent)
        return True

    def _drop(self, sent: int) -> None:
        parts = self._parts
        whole = 0
        for part in parts:
            if len(part) > sent:
                break
            sent -= len(part)
            whole += 1
        del parts[:whole]
        if sent:
            parts[0] = memoryview(parts[0])[sent:]
