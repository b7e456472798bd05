"""What the rules of a profile do to a count, as Azure Monitor evaluates them.

Out if any rule fires, to the largest count; else in if every rule to scale in fires, by the least,
and only as far as no rule to scale out would fire then. Pure. Ring: decisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from mesh.scaling.trigger import ScaleRule
from mesh.spec.profiles import Capacity


class Reading(msgspec.Struct, frozen=True):
    """A rule and what its metric is; None if it cannot be read."""

    rule: ScaleRule
    value: float | None

    @property
    def fires(self) -> bool:
        """Whether the metric is known and on the far side of the threshold."""
        return self.value is not None and self.rule.trigger.fires(self.value)

    @property
    def text(self) -> str:
        """What was seen, what the rule says of it and what it does."""
        trigger = self.rule.trigger
        value = self.value or 0.0
        shown = f"{value:.4g}" if abs(value) < 100 else f"{value:.0f}"
        return f"{trigger.metric} is {shown} ({trigger.text}), {self.rule.deed},"


class Verdict(msgspec.Struct, frozen=True):
    """A count and why: another one, or the same where a rule fired and nothing came of it.

    `cooldown_s` of the rule that changed it, 0 if none did.
    """

    count: int
    why: str
    cooldown_s: float = 0.0


def judge(
    readings: Sequence[Reading], current: int, capacity: Capacity, may_shrink: bool
) -> Verdict | None:
    """Return what the rules do to a count; None if nothing.

    Args:
        readings: every rule of the profile.
        current: the count now.
        capacity: the bounds of the profile.
        may_shrink: the metrics have been looked at for long enough to take instances away.
    """
    out = [reading for reading in readings if _is_out(reading, current)]
    if out:
        return _scale_out(out, current, capacity)
    if any(reading.value is None for reading in readings):
        return _scale_to_default(readings, current, capacity)
    return _scale_in(readings, current, capacity) if may_shrink else None


def _is_out(reading: Reading, current: int) -> bool:
    """Tell whether a rule to scale out fires: while one does, at the max too, nothing goes."""
    rule = reading.rule
    is_up = rule.direction == "Increase" or (
        rule.direction == "None" and rule.result(current) > current
    )
    return is_up and reading.fires


def _scale_out(out: Sequence[Reading], current: int, capacity: Capacity) -> Verdict | None:
    count, cooldown_s, reading = max(
        (
            (min(capacity.most, reading.rule.result(current)), reading.rule.cooldown_s, reading)
            for reading in out
        ),
        key=lambda found: found[:2],
    )
    return Verdict(count, reading.text, cooldown_s) if count > current else None


def _scale_to_default(
    readings: Sequence[Reading], current: int, capacity: Capacity
) -> Verdict | None:
    """No data is not zero: never fewer, and as many as are safe."""
    if current >= capacity.default:
        return None
    unread = {reading.rule.trigger.metric: None for reading in readings if reading.value is None}
    return Verdict(capacity.default, f"{', '.join(unread)} cannot be read, the default,")


def _scale_in(readings: Sequence[Reading], current: int, capacity: Capacity) -> Verdict | None:
    voting = list(_voting(readings))
    if not voting or not all(reading.fires for reading in voting):
        return None
    target, cooldown_s, reading = max(
        (
            (max(capacity.least, reading.rule.result(current)), reading.rule.cooldown_s, reading)
            for reading in voting
        ),
        key=lambda found: found[:2],
    )
    for count in range(target, current):
        if not any(_would_fire(one, current, count) for one in readings):
            kept = f" to {count} lest it flaps," if count > target else ""
            return Verdict(count, reading.text + kept, cooldown_s)
    return Verdict(current, f"{reading.text} put off lest it flaps") if target < current else None


def _voting(readings: Sequence[Reading]) -> Iterator[Reading]:
    """The rules that must all fire; one that goes to a number has a say only when it fires."""
    for reading in readings:
        direction = reading.rule.direction
        if direction == "Decrease" or (direction == "None" and reading.fires):
            yield reading


def _would_fire(reading: Reading, current: int, fewer: int) -> bool:
    """Tell whether a rule would scale out again if there were fewer instances."""
    rule = reading.rule
    if rule.direction == "Decrease" or reading.value is None or rule.result(fewer) <= fewer:
        return False
    return rule.trigger.fires(rule.trigger.estimate(reading.value, current, fewer))
