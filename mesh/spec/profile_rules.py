"""What profiles and their times must hold beyond the types of their keys. Ring: values."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import combinations
from typing import Final

from mesh.spec.metric_rules import rule_violations
from mesh.spec.moments import local_moment, minute_of_day
from mesh.spec.profiles import Capacity, FixedDate, Profile, Recurrence
from mesh.spec.recurrence import DAY_END, DAY_START, days_of, span_of
from mesh.spec.scale import ScaleSettings
from mesh.spec.violation import MISSING, Path, Violation, problem_of
from mesh.spec.zones import zone_of

MOST_PROFILES: Final = 20
MOST_RULES: Final = 10
LONGEST: Final = timedelta(days=365)
LIST: Final[Path] = ("scale_settings", "profiles")
NO_DEFAULT: Final = (
    "needs a profile without fixed_date and recurrence, for when no other profile applies"
)


def profile_violations(scale: ScaleSettings) -> Iterator[Violation]:
    """Yield every rule that the profiles break."""
    profiles = scale.profiles
    if len(profiles) > MOST_PROFILES:
        yield Violation(LIST, len(profiles), f"must be at most {MOST_PROFILES} profiles")
    yield from _together(profiles)
    for index, profile in enumerate(profiles):
        path = (*LIST, index)
        yield from _capacity(profile.capacity, scale, (*path, "capacity"))
        yield from _times(profile, path)
        if not profile.name.strip():
            yield Violation((*path, "name"), profile.name, "must not be empty")
        if len(profile.rules) > MOST_RULES:
            rule = f"must be at most {MOST_RULES} rules"
            yield Violation((*path, "rules"), len(profile.rules), rule)
        for number, one in enumerate(profile.rules):
            yield from rule_violations(one, (*path, "rules", number))


def _together(profiles: list[Profile]) -> Iterator[Violation]:
    seen: Counter[str] = Counter()
    defaults = 0
    for index, profile in enumerate(profiles):
        if seen[profile.name]:
            yield Violation((*LIST, index, "name"), profile.name, "is the name of another profile")
        seen[profile.name] += 1
        is_default = profile.fixed_date is None and profile.recurrence is None
        defaults += is_default
        if is_default and defaults > 1:
            rule = "must have fixed_date or recurrence: another profile is the default"
            yield Violation((*LIST, index), profile.name, rule)
    if profiles and not defaults and not _always_one(profiles):
        yield Violation(LIST, MISSING, NO_DEFAULT)
    yield from _overlaps(profiles)


def _always_one(profiles: list[Profile]) -> bool:
    """Tell whether a recurring profile applies at any time: those that begin and never end do."""
    recurring = [profile.recurrence for profile in profiles if profile.recurrence is not None]
    return bool(recurring) and all(one.hours is not None for one in recurring)


def _overlaps(profiles: list[Profile]) -> Iterator[Violation]:
    spans = [
        (index, profile.name, profile.recurrence)
        for index, profile in enumerate(profiles)
        if profile.recurrence is not None and _is_span(profile.recurrence)
    ]
    for (_, name, one), (index, _, other) in combinations(spans, 2):
        if _overlap(one, other):
            path = (*LIST, index, "recurrence", "start")
            yield Violation(path, other.start or DAY_START, f"overlaps with profile {name!r}")


def _is_span(recurrence: Recurrence) -> bool:
    """Tell whether it has a start and an end that can be read."""
    times = (recurrence.start or DAY_START, recurrence.end or DAY_END)
    is_sound = not any(problem_of(minute_of_day, text) for text in times)
    return recurrence.hours is None and is_sound


def _overlap(one: Recurrence, other: Recurrence) -> bool:
    (begin, end), (next_begin, next_end) = span_of(one), span_of(other)
    return (
        one.timezone == other.timezone
        and bool(days_of(one) & days_of(other))
        and begin < next_end
        and next_begin < end
    )


def _capacity(capacity: Capacity, scale: ScaleSettings, path: Path) -> Iterator[Violation]:
    if capacity.least > capacity.most:
        yield Violation(
            (*path, "min"), capacity.least, f"must be at most capacity.max, {capacity.most}"
        )
    elif not capacity.least <= capacity.default <= capacity.most:
        rule = (
            f"must be between capacity.min and capacity.max, {capacity.least} and {capacity.most}"
        )
        yield Violation((*path, "default"), capacity.default, rule)
    if capacity.least < scale.min_instances:
        rule = f"must be at least min_instances, {scale.min_instances}"
        yield Violation((*path, "min"), capacity.least, rule)
    if capacity.most > scale.max_instances:
        rule = f"must be at most max_instances, {scale.max_instances}"
        yield Violation((*path, "max"), capacity.most, rule)


def _times(profile: Profile, path: Path) -> Iterator[Violation]:
    if profile.fixed_date is not None:
        yield from _fixed(profile.fixed_date, (*path, "fixed_date"))
    if profile.recurrence is not None:
        yield from _recurring(profile.recurrence, (*path, "recurrence"))
    if profile.fixed_date is not None and profile.recurrence is not None:
        rule = "must not be given beside fixed_date"
        yield Violation((*path, "recurrence"), profile.name, rule)


def _fixed(date: FixedDate, path: Path) -> Iterator[Violation]:
    broken = [
        *_texts({"start": date.start, "end": date.end}, local_moment, path),
        *_texts({"timezone": date.timezone}, zone_of, path),
    ]
    yield from broken
    if broken:
        return
    start, end = local_moment(date.start), local_moment(date.end)
    if not start < end:
        yield Violation((*path, "end"), date.end, "must be later than start")
    elif end - start > LONGEST:
        yield Violation((*path, "end"), date.end, "must be at most 365 days after start")


def _recurring(recurrence: Recurrence, path: Path) -> Iterator[Violation]:
    yield from _texts({"timezone": recurrence.timezone}, zone_of, path)
    for key in ("days", "hours", "minutes"):
        if getattr(recurrence, key) == []:
            yield Violation((*path, key), [], "must not be empty")
    if recurrence.hours is None:
        yield from _within_a_day(recurrence, path)
        return
    for key in ("start", "end"):
        if (text := getattr(recurrence, key)) is not None:
            rule = "must not be given beside hours: the profile ends when the next begins"
            yield Violation((*path, key), text, rule)


def _within_a_day(recurrence: Recurrence, path: Path) -> Iterator[Violation]:
    if recurrence.minutes is not None:
        yield Violation((*path, "minutes"), recurrence.minutes, "needs hours")
    times = {"start": recurrence.start, "end": recurrence.end}
    broken = list(_texts(times, minute_of_day, path))
    yield from broken
    if not broken and not operator.lt(*span_of(recurrence)):
        rule = "must be later than start, on the same day"
        yield Violation((*path, "end"), recurrence.end or DAY_END, rule)


def _texts(
    texts: Mapping[str, str | None], read: Callable[[str], object], path: Path
) -> Iterator[Violation]:
    """Yield which of the keys of a mapping cannot be read."""
    for key, text in texts.items():
        if text is not None and (rule := problem_of(read, text)):
            yield Violation((*path, key), text, rule)
