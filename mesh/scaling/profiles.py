"""Azure Monitor's autoscale settings as a policy: the profile of the time, and its rules.

Ring: decisions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mesh.scaling.observation import Observation
from mesh.scaling.policy import Asked
from mesh.scaling.rules import Reading, Verdict, judge
from mesh.scaling.series import Series
from mesh.scaling.timetable import Timetable
from mesh.scaling.trigger import ScaleRule, scale_rule
from mesh.spec.profiles import MetricName, Profile

EVERY_S: Final = 30.0
TARGET: Final = "rules"


class Profiles:
    """Asks for the count that the rules of the present profile have come to.

    The count begins as the one it finds, moves as the rules say and keeps within the profile. What
    it does not remember after a restart it takes for the worst: it waits for the longest cooldown
    before it takes instances away.
    """

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self._timetable = Timetable(profiles)
        self._rules = {one.name: tuple(map(scale_rule, one.rules)) for one in profiles}
        self._series = Series(_spans(rule for rules in self._rules.values() for rule in rules))
        self._count: int | None = None
        self._why = ""
        self._profile: Profile | None = None
        self._note = ""
        self._judged_s = -math.inf
        self._cool_s = -math.inf
        self._shrink_s: float | None = None

    def __repr__(self) -> str:
        return f"<Profiles {self._timetable!r} count={self._count}>"

    def ask(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """Ask for the count of the present profile; for nothing while there is none."""
        self._series.record(seen, now_s)
        if self._shrink_s is None:
            self._shrink_s = now_s + self._longest_cooldown_s()
        profile = self._profile = self._timetable.at(seen.at_s)
        if profile is None or not profile.rules:
            self._count, self._note = None, ""
            if profile is not None:
                why = f"profile {profile.name} has no rules, its default,"
                yield Asked(TARGET, profile.capacity.default, why)
            return
        self._count = self._kept(profile, seen)
        if now_s - self._judged_s >= EVERY_S and not seen.paused:
            self._judged_s = now_s
            self._judge(profile, seen, now_s)
        yield Asked(TARGET, self._count, self._why)

    def status(self, now_s: float) -> str:
        """Say which profile applies, and what keeps its rules from changing the count."""
        if self._profile is None:
            return ""
        capacity = self._profile.capacity
        bounds = f"{self._profile.name}, {capacity.least} to {capacity.most} instances"
        if now_s < self._cool_s:
            return f"{bounds}; cooling down for {self._cool_s - now_s:.0f} s"
        return f"{bounds}; {self._note}" if self._note else bounds

    def _kept(self, profile: Profile, seen: Observation) -> int:
        """The count so far, within the bounds of the profile: they hold whatever cools down."""
        count, capacity = self._count, profile.capacity
        if count is None or seen.paused:
            count, self._why = seen.current, f"profile {profile.name}, as many as there were,"
        if count < capacity.least:
            self._why = f"profile {profile.name}, its min,"
        if count > capacity.most:
            self._why = f"profile {profile.name}, its max,"
        return max(capacity.least, min(capacity.most, count))

    def _judge(self, profile: Profile, seen: Observation, now_s: float) -> None:
        looked = self._series.minutes(now_s)
        if now_s < self._cool_s or looked < 1:
            return
        rules = self._rules[profile.name]
        longest = max(
            (one.trigger.window for one in rules if one.direction != "Increase"), default=0
        )
        is_known = self._shrink_s is not None and now_s >= self._shrink_s
        readings = [self._read(rule, seen.current, now_s) for rule in rules]
        may_shrink = is_known and looked >= longest
        verdict = judge(readings, seen.current, profile.capacity, may_shrink=may_shrink)
        self._note = _unread(readings)
        if verdict is not None:
            self._apply(verdict, seen.current, now_s)

    def _read(self, rule: ScaleRule, current: int, now_s: float) -> Reading:
        samples = self._series.samples(rule.trigger, now_s)
        return Reading(rule, rule.trigger.value(samples, current))

    def _apply(self, verdict: Verdict, current: int, now_s: float) -> None:
        """Move the count; where others hold more, fewer are for them to say."""
        before = self._count or 0
        if verdict.count > current:
            self._count = max(before, verdict.count)
        elif verdict.count < current:
            self._count = min(before, verdict.count)
        if self._count != before:
            self._why = verdict.why
            self._cool_s = now_s + verdict.cooldown_s
        elif verdict.count == current:
            self._note = verdict.why

    def _longest_cooldown_s(self) -> float:
        cooldowns = (one.cooldown_s for rules in self._rules.values() for one in rules)
        return max(cooldowns, default=0.0)


def _unread(readings: Iterable[Reading]) -> str:
    names = {reading.rule.trigger.metric: None for reading in readings if reading.value is None}
    return f"{', '.join(names)} cannot be read" if names else ""


def _spans(rules: Iterable[ScaleRule]) -> dict[MetricName, int]:
    """How many minutes of each metric are looked at."""
    spans: dict[MetricName, int] = {}
    for rule in rules:
        trigger = rule.trigger
        spans[trigger.metric] = max(spans.get(trigger.metric, 0), trigger.window)
    return spans
