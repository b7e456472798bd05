"""The rules of profiles as `az monitor autoscale` takes them: `METRIC > 70 avg 5m`, `out 2`.

Ring: values.
"""

from __future__ import annotations

import re
from typing import Final, get_args

from msgspec.structs import replace

from mesh.spec.durations import whole_minutes
from mesh.spec.profiles import (
    DEFAULT_COOLDOWN,
    ActionType,
    Aggregation,
    Direction,
    MetricName,
    MetricTrigger,
    Operator,
    Rule,
    ScaleAction,
    Statistic,
)

OPERATORS: Final[dict[str, Operator]] = {
    "==": "Equals",
    "!=": "NotEquals",
    ">": "GreaterThan",
    ">=": "GreaterThanOrEqual",
    "<": "LessThan",
    "<=": "LessThanOrEqual",
}
AGGREGATIONS: Final[dict[str, Aggregation]] = {
    "avg": "Average",
    "min": "Minimum",
    "max": "Maximum",
    "total": "Total",
    "count": "Count",
    "last": "Last",
}
STATISTICS: Final[dict[str, Statistic]] = {
    "avg": "Average",
    "min": "Min",
    "max": "Max",
    "sum": "Sum",
}
DIRECTIONS: Final[dict[str, Direction]] = {"out": "Increase", "in": "Decrease", "to": "None"}
METRICS: Final[dict[str, MetricName]] = {name.lower(): name for name in get_args(MetricName)}
CONDITION: Final = "must read METRIC {>,>=,<,<=,==,!=} NUMBER {avg,min,max,total,count,last} TIME"
SCALE: Final = "must read {out,in} NUMBER, {out,in} NUMBER% or to NUMBER"
GRAIN: Final = "must read {avg,min,max,sum} TIME"
AMOUNT: Final = re.compile(r"(\d{1,6})(%?)")
LONGEST_WINDOW: Final = 12 * 60
LONGEST_COOLDOWN: Final = 7 * 24 * 60
NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,9})?")


def trigger_of(rule: Rule) -> MetricTrigger:
    """When a rule fires, whichever way it is written.

    Raises:
        ValueError: the short form cannot be read; the message is what must hold.
    """
    if rule.metric_trigger is not None:
        return rule.metric_trigger
    trigger = read_condition(rule.condition or "")
    if rule.time_grain is None:
        return trigger
    statistic, time_grain = read_grain(rule.time_grain)
    return replace(trigger, statistic=statistic, time_grain=time_grain)


def action_of(rule: Rule) -> ScaleAction:
    """What a rule does, whichever way it is written.

    Raises:
        ValueError: the short form cannot be read; the message is what must hold.
    """
    if rule.scale_action is not None:
        return rule.scale_action
    return replace(read_scale(rule.scale or ""), cooldown=rule.cooldown or DEFAULT_COOLDOWN)


def read_condition(text: str) -> MetricTrigger:
    """Read such as `CpuUtilizationPercentage > 70 avg 5m`.

    Raises:
        ValueError: it is something else.
    """
    words = text.split()
    if len(words) > 5 and words[5].lower() == "where":
        raise ValueError("dimensions are not supported: must end with the time")
    if len(words) != 5:
        raise ValueError(CONDITION)
    name, operator, number, aggregation, window = words
    metric = METRICS.get(name.lower())
    if metric is None:
        raise ValueError(f"must begin with one of {', '.join(METRICS.values())}")
    if operator not in OPERATORS or aggregation.lower() not in AGGREGATIONS:
        raise ValueError(CONDITION)
    if NUMBER.fullmatch(number) is None:
        raise ValueError(CONDITION)
    return MetricTrigger(
        metric_name=metric,
        operator=OPERATORS[operator],
        threshold=float(number),
        time_aggregation=AGGREGATIONS[aggregation.lower()],
        time_window=window,
    )


def read_scale(text: str) -> ScaleAction:
    """Read such as `out 2`, `in 10%` or `to 5`.

    Raises:
        ValueError: it is something else.
    """
    words = text.lower().split()
    amount = AMOUNT.fullmatch(words[1]) if len(words) == 2 else None
    if amount is None or words[0] not in DIRECTIONS:
        raise ValueError(SCALE)
    kind: ActionType = "PercentChangeCount" if amount[2] else "ChangeCount"
    if words[0] == "to":
        if amount[2]:
            raise ValueError(SCALE)
        kind = "ExactCount"
    return ScaleAction(direction=DIRECTIONS[words[0]], type=kind, value=int(amount[1]))


def read_grain(text: str) -> tuple[Statistic, str]:
    """Read such as `avg 1m`: how a sample is made, and its span.

    Raises:
        ValueError: it is something else.
    """
    words = text.split()
    if len(words) != 2 or words[0].lower() not in STATISTICS:
        raise ValueError(GRAIN)
    return STATISTICS[words[0].lower()], words[1]


def span_minutes(text: str) -> int:
    """Read a time grain or a time window.

    Raises:
        ValueError: it is something else, or too short or too long.
    """
    return whole_minutes(text, 1, LONGEST_WINDOW)


def cooldown_minutes(text: str) -> int:
    """Read a cooldown.

    Raises:
        ValueError: it is something else, or too short or too long.
    """
    return whole_minutes(text, 1, LONGEST_COOLDOWN)
