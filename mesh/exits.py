"""How programs end: what their exit codes mean, and signals in words. Ring: values."""

from __future__ import annotations

import enum
import signal


class Exit(enum.IntEnum):
    """What a program's exit code means."""

    CLEAN = 0
    CUT_OFF = 1  # work was cut off
    BAD_SETTINGS = 2
    NOT_STARTED = 3  # no broker, a port that is taken; for a worker: its model did not boot
    BROKER_LOST = 4
    CRASHED = 70


def signal_name(number: int) -> str:
    """Return a signal's name, `signal 63` for one that has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
