"""Why something failed, as long texts tell it. Ring: values."""

from __future__ import annotations

from typing import Final

TRACEBACK: Final = "Traceback (most recent call last):"


def headline(reason: str) -> str:
    """Return the line of a reason that says what is wrong, for where there is room for one.

    Of a traceback that is its error, of the last one if one error led to another; of any other
    text the line it starts with.
    """
    lines = reason.strip("\n").rstrip().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(TRACEBACK)]
    after = lines[starts[-1] + 1 :] if starts else lines
    plain = [line for line in after if line and not line[0].isspace()]
    return next(iter(plain or lines), "").strip()
