"""The one form of log line: time, level, program, message and fields, to stderr.

`2026-03-01T12:00:00.123Z INFO gateway[4242] bus.away url=127.0.0.1:4222`. A traceback follows its
line, indented. Ring: adapter.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Final

# What every record carries anyway; anything else came in by `extra=`.
STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
TALKATIVE: Final = ("httpx",)  # tells each call it makes, with whatever secret is in the URL


class LineFormatter(logging.Formatter):
    """Renders a record as one line of words and `key=value` fields."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = f"{program}[{os.getpid()}]"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback after it if there is one."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = record.getMessage().replace("\n", "\\n")
        fields = [f"{key}={value}" for key, value in vars(record).items() if key not in STANDARD]
        head = f"{stamp}.{int(record.msecs):03d}Z {record.levelname} {self._program}"
        line = " ".join([head, text, *fields])
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "".join(f"\n    {row}" for row in trace.splitlines())
        return line


def set_up(program: str, level: str = "info") -> None:
    """Send every log record of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(program))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
