"""Spans of time as Azure writes them: `5m`, `1h30m`, `PT5M`. Ring: values."""

from __future__ import annotations

import re
from typing import Final

SHORT: Final = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?")
ISO: Final = re.compile(r"p(?:(\d{1,4})d)?(?:t(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?)?")
UNITS_S: Final = (86_400, 3600, 60, 1)
MINUTE_S: Final = 60


def duration_s(text: str) -> int:
    """Return the seconds that a span of time stands for.

    Raises:
        ValueError: it is something else.
    """
    lowered = text.strip().lower()
    match = ISO.fullmatch(lowered) or SHORT.fullmatch(lowered)
    if match is None or not any(match.groups()):
        raise ValueError("must be a span of time such as 5m, 1h or PT5M")
    return sum(int(part) * unit for part, unit in zip(match.groups(), UNITS_S, strict=True) if part)


def whole_minutes(text: str, least: int, most: int) -> int:
    """Return how many minutes a span of time has.

    Raises:
        ValueError: it is none, has seconds too, or is too short or too long.
    """
    minutes, seconds = divmod(duration_s(text), MINUTE_S)
    if seconds:
        raise ValueError("must be whole minutes")
    if not least <= minutes <= most:
        raise ValueError(f"must be between {duration_text(least)} and {duration_text(most)}")
    return minutes


def duration_text(minutes: int) -> str:
    """Write minutes the short way."""
    days, rest = divmod(minutes, 24 * 60)
    counts = (days, *divmod(rest, 60))
    return "".join(f"{count}{unit}" for count, unit in zip(counts, "dhm", strict=True) if count)
