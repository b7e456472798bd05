"""When a recurring profile begins and ends, as numbers. Ring: values."""

from __future__ import annotations

from typing import Final

from mesh.spec.moments import minute_of_day
from mesh.spec.profiles import Recurrence

DAY_START: Final = "00:00"
DAY_END: Final = "24:00"
WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def days_of(recurrence: Recurrence) -> frozenset[int]:
    """The days it begins on; Monday is 0."""
    return frozenset(WEEK.index(day[:3].lower()) for day in recurrence.days)


def span_of(recurrence: Recurrence) -> tuple[int, int]:
    """The minutes of the day between which it applies, if it has an end.

    Raises:
        ValueError: a time cannot be read.
    """
    start, end = recurrence.start or DAY_START, recurrence.end or DAY_END
    return minute_of_day(start), minute_of_day(end)
