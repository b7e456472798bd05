"""A forecast, computed in a process of its own: points in on stdin, what they let expect out.

Fitting takes seconds of a core, and its libraries a hundred megabytes: neither is the scaler's.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import msgspec

from scaler.forecast.seasons import outlook
from scaler.forecast.task import Task

NICE: Final = 10


def main() -> int:
    """Read a task, write its outlook."""
    os.nice(NICE)
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Task)
    sys.stdout.buffer.write(msgspec.msgpack.encode(outlook(task.points, task.wish)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
