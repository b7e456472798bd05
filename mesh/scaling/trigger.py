"""A rule of a profile, read once: when it fires and what it does then. Ring: decisions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Final

import msgspec

from mesh.scaling.signals import SIGNALS
from mesh.spec.profiles import (
    ActionType,
    Aggregation,
    Direction,
    MetricName,
    Operator,
    Rule,
    Statistic,
)
from mesh.spec.shortform import (
    AGGREGATIONS,
    OPERATORS,
    action_of,
    cooldown_minutes,
    span_minutes,
    trigger_of,
)

COMPARE: Final[dict[Operator, Callable[[float, float], bool]]] = {
    "Equals": operator.eq,
    "NotEquals": operator.ne,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqual": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqual": operator.le,
}
AGGREGATE: Final[dict[Aggregation, Callable[[Sequence[float]], float]]] = {
    "Average": fmean,
    "Minimum": min,
    "Maximum": max,
    "Total": math.fsum,
    "Count": len,
    "Last": lambda samples: samples[-1],
}
SIGNS: Final = {name: sign for sign, name in OPERATORS.items()}
WORDS: Final = {name: word for word, name in AGGREGATIONS.items()}


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """When a rule fires; `grain` and `window` are minutes."""

    metric: MetricName
    grain: int
    window: int
    statistic: Statistic
    aggregation: Aggregation
    operator: Operator
    threshold: float
    divide: bool

    @property
    def text(self) -> str:
        """What must hold, as the short form has it."""
        window = f"{WORDS[self.aggregation]} {self.window}m"
        return f"{SIGNS[self.operator]} {self.threshold:g} {window}"

    def value(self, samples: Sequence[float], instances: int) -> float | None:
        """What is compared with the threshold; None if there are no samples."""
        if not samples:
            return None
        value = AGGREGATE[self.aggregation](samples)
        return value / max(1, instances) if self.divide else value

    def fires(self, value: float) -> bool:
        """Tell whether a value is on the far side of the threshold."""
        return COMPARE[self.operator](value, self.threshold)

    def estimate(self, value: float, instances: int, fewer: int) -> float:
        """What the value would be with fewer instances: the same load on those that are left.

        A load that is not divided by the instances, or a number of samples, stays what it is.
        """
        signal = SIGNALS[self.metric]
        of_all = signal.is_total or (signal.per_instance and self.statistic == "Sum")
        if (of_all and not self.divide) or self.aggregation == "Count":
            return value
        return value * instances / max(1, fewer)


class ScaleRule(msgspec.Struct, frozen=True, kw_only=True):
    """When, and what then."""

    trigger: Trigger
    direction: Direction
    type: ActionType
    amount: int
    cooldown_s: float

    def result(self, instances: int) -> int:
        """The count after it was carried out; a share is one instance at least."""
        if self.type == "ExactCount":
            return self._exact(instances)
        change = self.amount
        if self.type == "PercentChangeCount":
            share = instances * self.amount / 100
            is_out = self.direction == "Increase"
            change = max(1, math.ceil(share) if is_out else math.floor(share))
        return instances + change if self.direction == "Increase" else instances - change

    def _exact(self, instances: int) -> int:
        if self.direction == "Increase":
            return max(instances, self.amount)
        return min(instances, self.amount) if self.direction == "Decrease" else self.amount

    @property
    def deed(self) -> str:
        """What it does, as the short form has it."""
        percent = "%" if self.type == "PercentChangeCount" else ""
        if self.type == "ExactCount":
            return f"to {self.amount}"
        return f"{'out' if self.direction == 'Increase' else 'in'} {self.amount}{percent}"


def scale_rule(rule: Rule) -> ScaleRule:
    """Read a rule that has been checked."""
    trigger, action = trigger_of(rule), action_of(rule)
    return ScaleRule(
        trigger=Trigger(
            metric=trigger.metric_name,
            grain=span_minutes(trigger.time_grain),
            window=span_minutes(trigger.time_window),
            statistic=trigger.statistic,
            aggregation=trigger.time_aggregation,
            operator=trigger.operator,
            threshold=trigger.threshold,
            divide=trigger.divide_per_instance,
        ),
        direction=action.direction,
        type=action.type,
        amount=action.value,
        cooldown_s=cooldown_minutes(action.cooldown) * 60.0,
    )
