"""Times of day and local dates as profiles write them. Ring: values."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

DAY_MINUTES: Final = 24 * 60
TIME: Final = re.compile(r"(\d{1,2}):([0-5]\d)")


def minute_of_day(text: str) -> int:
    """Return the minutes since midnight, 24:00 included.

    Raises:
        ValueError: it is no time of day.
    """
    match = TIME.fullmatch(text.strip())
    minutes = int(match[1]) * 60 + int(match[2]) if match is not None else DAY_MINUTES + 1
    if minutes > DAY_MINUTES:
        raise ValueError("must be a time of day such as 08:00")
    return minutes


def local_moment(text: str) -> datetime:
    """Return a date and time without a zone.

    Raises:
        ValueError: it is something else.
    """
    rule = "must be a local date and time such as 2026-12-24T18:00, without an offset"
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as exc:
        raise ValueError(rule) from exc
    if moment.tzinfo is not None:
        raise ValueError(rule)
    return moment
