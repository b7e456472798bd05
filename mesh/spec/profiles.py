"""Profiles and their rules, as Azure Monitor's autoscale settings have them. Ring: values.

Source: `Microsoft.Insights/autoscaleSettings`, and the short form of `az monitor autoscale`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mesh.spec.zones import UTC

MetricName = Literal[
    "CpuUtilizationPercentage",
    "CpuMemoryUtilizationPercentage",
    "GpuUtilizationPercentage",
    "GpuMemoryUtilizationPercentage",
    "RequestLatency",
    "RequestLatency_P50",
    "RequestLatency_P90",
    "RequestLatency_P95",
    "RequestLatency_P99",
    "RequestsPerMinute",
    "QueueDepth",
    "EstimatedWait",
    "InFlight",
]
Statistic = Literal["Average", "Min", "Max", "Sum"]
Aggregation = Literal["Average", "Minimum", "Maximum", "Total", "Count", "Last"]
Operator = Literal[
    "Equals", "NotEquals", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"
]
Direction = Literal["Increase", "Decrease", "None"]
ActionType = Literal["ChangeCount", "PercentChangeCount", "ExactCount"]
Day = Literal[
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
    "mon", "tue", "wed", "thu", "fri", "sat", "sun",
]  # fmt: skip

DEFAULT_GRAIN = "1m"
DEFAULT_COOLDOWN = "5m"


class Capacity(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={"least": "min", "most": "max"},
):
    """How many instances a profile allows."""

    least: Annotated[int, Meta(ge=0, description="Fewest instances.")]
    most: Annotated[int, Meta(ge=1, description="Most instances.")]
    default: Annotated[
        int, Meta(ge=0, description="Instances at least, while the metrics cannot be read.")
    ]


class MetricTrigger(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """When a rule fires."""

    metric_name: Annotated[MetricName, Meta(description="What is measured.")]
    operator: Annotated[Operator, Meta(description="How it is compared with the threshold.")]
    threshold: Annotated[float, Meta(description="What it is compared with.")]
    time_window: Annotated[str, Meta(description="How far back it is looked at: 1m to 12h.")]
    time_grain: Annotated[str, Meta(description="Span of one sample: 1m to 12h.")] = DEFAULT_GRAIN
    statistic: Annotated[
        Statistic, Meta(description="How one sample is made; `Sum` adds up the instances.")
    ] = "Average"
    time_aggregation: Annotated[
        Aggregation, Meta(description="How the samples of the window are put together.")
    ] = "Average"
    divide_per_instance: Annotated[bool, Meta(description="Divide by the number of instances.")] = (
        False
    )


class ScaleAction(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What a rule does when it fires."""

    direction: Annotated[
        Direction, Meta(description="More or fewer; `None` either, for an `ExactCount`.")
    ]
    value: Annotated[int, Meta(ge=0, description="Instances, or percent of them.")]
    type: Annotated[ActionType, Meta(description="What `value` is.")] = "ChangeCount"
    cooldown: Annotated[
        str, Meta(description="How long no rule does anything after it: 1m to 7d.")
    ] = DEFAULT_COOLDOWN


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule: `condition` and `scale`, or `metric_trigger` and `scale_action`."""

    condition: Annotated[
        str | None, Meta(description="Such as `CpuUtilizationPercentage > 70 avg 5m`.")
    ] = None
    scale: Annotated[str | None, Meta(description="Such as `out 2`, `in 10%` or `to 5`.")] = None
    cooldown: Annotated[
        str | None, Meta(description="How long no rule does anything after it; 5m by default.")
    ] = None
    time_grain: Annotated[
        str | None, Meta(description="How one sample is made; `avg 1m` by default.")
    ] = None
    metric_trigger: Annotated[
        MetricTrigger | None, Meta(description="When it fires, the long way.")
    ] = None
    scale_action: Annotated[ScaleAction | None, Meta(description="What it does.")] = None


class FixedDate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a profile applies once."""

    start: Annotated[str, Meta(description="Local time such as 2026-12-24T18:00.")]
    end: Annotated[str, Meta(description="Local time; at most 365 days later.")]
    timezone: Annotated[str, Meta(description="A name of Windows or IANA.")] = UTC


class Recurrence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a profile applies every week."""

    days: Annotated[list[Day], Meta(description="Days it begins on.")]
    frequency: Annotated[Literal["Week"], Meta(description="How often.")] = "Week"
    hours: Annotated[
        list[Annotated[int, Meta(ge=0, le=23)]] | None,
        Meta(description="Hours it begins at; it ends when the next profile begins."),
    ] = None
    minutes: Annotated[
        list[Annotated[int, Meta(ge=0, le=59)]] | None,
        Meta(description="Minutes of these hours; 0 by default."),
    ] = None
    start: Annotated[
        str | None, Meta(description="Time of day it begins at, instead of `hours`; 00:00.")
    ] = None
    end: Annotated[str | None, Meta(description="Time of day it ends at; 24:00.")] = None
    timezone: Annotated[str, Meta(description="A name of Windows or IANA.")] = UTC


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Bounds and rules, and when they apply; by default when no other profile does."""

    name: Annotated[str, Meta(max_length=260, description="Its name in reasons and messages.")]
    capacity: Annotated[Capacity, Meta(description="How many instances it allows.")]
    rules: Annotated[list[Rule], Meta(description="What changes the count, at most 10.")] = []
    fixed_date: Annotated[FixedDate | None, Meta(description="When it applies once.")] = None
    recurrence: Annotated[Recurrence | None, Meta(description="When it applies every week.")] = None
