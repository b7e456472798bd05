"""What a runner process prints, cut into lines that name their request.

The runner's own streams put `<mark>request id<mark>` before a line; C code and child processes do
not. Ring: adapter; what cuts the lines is a value.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import IO, Final, Literal

from mesh.wire import LogLine

MARK: Final = b"\x1e"
LINE_LIMIT_BYTES: Final = 64 * 1024
READ_BYTES: Final = 64 * 1024

Stream = Literal["stdout", "stderr"]


class LineCutter:
    """Cuts bytes into (request id, text); a line over the limit comes in pieces."""

    def __init__(self, limit_bytes: int = LINE_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._tail = b""
        self._open_id: str | None = None  # of a line whose first pieces are out already

    def __repr__(self) -> str:
        return f"<LineCutter tail={len(self._tail)}>"

    def feed(self, data: bytes) -> list[tuple[str, str]]:
        """Take in the next bytes and return the lines they complete."""
        *whole, tail = (self._tail + data).split(b"\n")
        lines: list[tuple[str, str]] = []
        for line in whole:
            self._cut(line, lines, is_whole=True)
        self._tail = tail if len(tail) < self._limit_bytes else self._cut(tail, lines)
        return lines

    def finish(self) -> list[tuple[str, str]]:
        """Return what was printed without an end of line."""
        lines: list[tuple[str, str]] = []
        if self._tail:
            self._cut(self._tail, lines, is_whole=True)
        self._tail = b""
        return lines

    def _cut(self, line: bytes, lines: list[tuple[str, str]], *, is_whole: bool = False) -> bytes:
        request_id, continues = self._open_id or "", self._open_id is not None
        if not continues and line.startswith(MARK) and (end := line.find(MARK, 1)) > 0:
            request_id, line = line[1:end].decode(errors="replace"), line[end + 1 :]
        elif not continues and (start := line.find(MARK)) > 0 and line.count(MARK, start) > 1:
            # C code left its line open, and a line of the script's was put behind it.
            self._cut(line[:start], lines, is_whole=True)
            return self._cut(line[start:], lines, is_whole=is_whole)
        while len(line) > self._limit_bytes:
            lines.append((request_id, line[: self._limit_bytes].decode(errors="replace")))
            line, continues = line[self._limit_bytes :], True
        if is_whole:
            self._open_id = None
            if line or not continues:
                lines.append((request_id, line.decode(errors="replace")))
            return b""
        self._open_id = request_id
        lines.append((request_id, line.decode(errors="replace")))
        return b""


class ConsolePipe:
    """Our end of one of a runner's streams, read as it comes."""

    def __init__(
        self, pipe: IO[bytes] | None, stream: Stream, on_log: Callable[[LogLine], None]
    ) -> None:
        assert pipe is not None
        self._pipe = pipe
        self._fd = pipe.fileno()
        self._stream: Stream = stream
        self._on_log = on_log
        self._cutter = LineCutter()
        self._loop = asyncio.get_running_loop()
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self._read)

    def _read(self) -> bool:
        """Read once; False if there is nothing now, or will be nothing any more."""
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._fd)
            return False
        self._tell(self._cutter.feed(data))
        return True

    def _tell(self, lines: list[tuple[str, str]]) -> None:
        at_s = time.time()
        for request_id, text in lines:
            self._on_log(LogLine(at_s=at_s, stream=self._stream, text=text, request_id=request_id))

    def close(self) -> None:
        """Deliver all that a dead process wrote; children it left behind are not waited for."""
        while self._read():
            pass
        self._loop.remove_reader(self._fd)
        self._tell(self._cutter.finish())
        self._pipe.close()
