"""The script's console: whole lines with the id of the request that printed them.

Replaces sys.stdout and sys.stderr. Lines go straight to the pipe, so nothing that was printed is
lost in a crash; what C code writes to the descriptors arrives among them without an id.
Ring: adapter.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from contextvars import ContextVar
from typing import Any

MARK = "\x1e"  # <mark>request id<mark>line
PARTIAL_LIMIT = 8192  # characters of an unfinished line kept back

# Set per request in async scripts. Threads of the user's own see `Console.request_id` only.
current_id: ContextVar[str] = ContextVar("mesh_request_id", default="")


class Console:
    """Both streams, and the request they speak for in a sync script."""

    def __init__(self) -> None:
        self.request_id = ""
        self.out = LineWriter(self, 1)
        self.err = LineWriter(self, 2)

    def install(self) -> None:
        """Take the place of the interpreter's own streams."""
        sys.stdout = self.out
        sys.stderr = self.err

    def end_lines(self) -> None:
        """Finish lines left open; call when a request has ended."""
        if self.out.is_open:
            self.out.end_line()
        if self.err.is_open:
            self.err.end_line()


class LineWriter(io.TextIOBase):
    """A text stream that writes line by line to a descriptor."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, console: Console, fd: int) -> None:
        super().__init__()
        self._console = console
        self._fd = fd
        self._partial = ""
        self._partial_id = ""
        self._at_line_start = True
        self._new_lock()
        os.register_at_fork(after_in_child=self._new_lock)
        self.is_open = False
        self.buffer = ByteWriter(self)
        self.name = "<stdout>" if fd == 1 else "<stderr>"
        self.mode = "w"

    def _new_lock(self) -> None:
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write whole lines now, keep the rest until it is finished or flushed."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        request_id = current_id.get() or self._console.request_id
        with self._lock:
            if self.is_open and request_id != self._partial_id:
                self.end_line()
            self._partial_id = request_id
            whole, newline, self._partial = (self._partial + text).rpartition("\n")
            if newline:
                self._emit(whole.split("\n"), request_id)
            self.is_open = bool(self._partial) or not self._at_line_start
            if len(self._partial) > PARTIAL_LIMIT:
                self.flush()
        return len(text)

    def _emit(self, lines: Any, request_id: str) -> None:
        prefix = MARK + request_id + MARK if request_id else ""
        text = "".join([prefix + line + "\n" for line in lines])
        if prefix and not self._at_line_start:
            text = text[len(prefix) :]
        self._at_line_start = True
        self._put(text)

    def flush(self) -> None:
        """Write what has been kept back; the line stays open."""
        with self._lock:
            partial, self._partial = self._partial, ""
            if partial:
                if self._at_line_start and self._partial_id:
                    partial = MARK + self._partial_id + MARK + partial
                self._at_line_start = False
                self._put(partial)

    def end_line(self) -> None:
        """Write what has been kept back and finish the line."""
        with self._lock:
            lines, self._partial = [self._partial], ""
            if self.is_open:
                self.is_open = False
                self._emit(lines, self._partial_id)

    def _put(self, text: str) -> None:
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        while data:
            data = data[os.write(self._fd, data) :]

    def fileno(self) -> int:
        """Return the descriptor of the pipe."""
        return self._fd

    def writable(self) -> bool:
        """Say yes."""
        return True


class ByteWriter(io.RawIOBase):
    """What `sys.stdout.buffer` is for scripts that write bytes."""

    def __init__(self, lines: LineWriter) -> None:
        super().__init__()
        self._lines = lines

    def write(self, data: Any) -> int:
        """Write bytes as text."""
        self._lines.write(bytes(data).decode("utf-8", "backslashreplace"))
        return len(data)

    def flush(self) -> None:
        """Write what has been kept back."""
        if not self.closed:
            self._lines.flush()

    def fileno(self) -> int:
        """Return the descriptor of the pipe."""
        return self._lines.fileno()

    def writable(self) -> bool:
        """Say yes."""
        return True
