"""Which profile applies: a fixed-date one, a recurring one or the default. Ring: decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from mesh.spec.moments import DAY_MINUTES, local_moment
from mesh.spec.profiles import FixedDate, Profile, Recurrence
from mesh.spec.recurrence import WEEK, days_of, span_of
from mesh.spec.zones import zone_of

MINUTE_S: Final = 60


class Turn(msgspec.Struct, frozen=True):
    """Something that happens every week: a profile begins, or the default is back (None)."""

    profile: Profile | None
    days: frozenset[int]
    minutes: tuple[int, ...]
    zone: ZoneInfo

    def last_s(self, at_s: float) -> float:
        """When it happened last, at `at_s` or before."""
        today = datetime.fromtimestamp(at_s, self.zone).date()
        for back in range(len(WEEK) + 1):
            day = today - timedelta(days=back)
            if day.weekday() not in self.days:
                continue
            past = [
                at for at in (self._moment_s(day, minute) for minute in self.minutes) if at <= at_s
            ]
            if past:
                return max(past)
        raise AssertionError("no day of the week in a week")

    def _moment_s(self, day: date, minute: int) -> float:
        """A local time; one that a clock change leaves out is as much later, a double one first."""
        days, rest = divmod(minute, DAY_MINUTES)
        at = time(rest // 60, rest % 60, tzinfo=self.zone)
        return datetime.combine(day + timedelta(days=days), at).timestamp()


class Timetable:
    """The profiles of a deployment and when they apply."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self._fixed = [(*_span(one.fixed_date), one) for one in profiles if one.fixed_date]
        self._turns = [
            turn for one in profiles if one.recurrence for turn in _turns(one, one.recurrence)
        ]
        usual = [one for one in profiles if one.fixed_date is None and one.recurrence is None]
        self._usual = usual[0] if usual else None
        self._found: tuple[int, Profile | None] | None = None

    def __repr__(self) -> str:
        return f"<Timetable fixed={len(self._fixed)} turns={len(self._turns)}>"

    def at(self, at_s: float) -> Profile | None:
        """Return the profile that applies at a Unix time; None if there is none."""
        for start_s, end_s, profile in self._fixed:
            if start_s <= at_s < end_s:
                return profile
        minute = int(at_s // MINUTE_S)  # what recurs does so at whole minutes
        if self._found is None or self._found[0] != minute:
            self._found = minute, self._recurring(minute * MINUTE_S) or self._usual
        return self._found[1]

    def _recurring(self, at_s: float) -> Profile | None:
        """The profile that began last, unless its end came since; the first in the list of two."""
        last = max(
            self._turns,
            key=lambda turn: (turn.last_s(at_s), turn.profile is not None),
            default=None,
        )
        return last.profile if last is not None else None


def _span(date: FixedDate) -> tuple[float, float]:
    zone = zone_of(date.timezone)
    start, end = (local_moment(text).replace(tzinfo=zone) for text in (date.start, date.end))
    return start.timestamp(), end.timestamp()


def _turns(profile: Profile, recurrence: Recurrence) -> Iterator[Turn]:
    zone, days = zone_of(recurrence.timezone), days_of(recurrence)
    if recurrence.hours is not None:
        minutes = recurrence.minutes or [0]
        times = tuple(hour * 60 + minute for hour in recurrence.hours for minute in minutes)
        yield Turn(profile, days, times, zone)
        return
    start, end = span_of(recurrence)
    yield Turn(profile, days, (start,), zone)
    yield Turn(None, days, (end,), zone)
