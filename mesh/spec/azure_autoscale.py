"""From an autoscale setting as Azure prints it to `scale_settings`. Ring: values.

Source: `az monitor autoscale show`, and resources of `Microsoft.Insights/autoscaleSettings` in
templates. What only names Azure's resources is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from mesh.errors import SpecError

RESOURCE: Final = "microsoft.insights/autoscalesettings"
CLOCK: Final = re.compile(r"(?:(\d+) days?, )?(\d+):(\d{2}):(\d{2})")
OFFSET: Final = re.compile(r"(Z|[+-]\d{2}:\d{2})$")
CAPACITY: Final = {"minimum": "min", "maximum": "max", "default": "default"}
LEFT_OUT: Final = frozenset(
    {"metricNamespace", "metricResourceUri", "metricResourceId", "metricResourceLocation"}
)

Values = dict[str, Any]


def scale_settings_of(printed: object) -> Values:
    """Return the `scale_settings` that say the same; they are yet to be checked.

    Raises:
        SpecError: it is no autoscale setting, or its like has no words here.
    """
    setting = _setting(printed)
    _refuse_what_is_not_there(setting)
    profiles = [_profile(_mapping(one, "profiles")) for one in _list(setting, "profiles")]
    capacities = [profile["capacity"] for profile in profiles]
    return {
        "type": "target_utilization",
        "min_instances": min(capacity["min"] for capacity in capacities),
        "max_instances": max(capacity["max"] for capacity in capacities),
        "profiles": profiles,
    }


def _setting(printed: object) -> Values:
    values = _mapping(printed, "an autoscale setting")
    for one in _list_or_none(values, "resources"):
        if isinstance(one, dict) and str(one.get("type")).lower() == RESOURCE:
            values = one
    inner = values.get("properties")
    return inner if isinstance(inner, dict) else values


def _refuse_what_is_not_there(setting: Values) -> None:
    if str(setting.get("enabled")).lower() == "false":
        rule = "has no words here: convert it enabled, and use mesh scale pause"
        raise SpecError(f"enabled: false: {rule}")
    policy = setting.get("predictiveAutoscalePolicy")
    if policy and _mapping(policy, "predictiveAutoscalePolicy").get("scaleMode") != "Disabled":
        rule = "has no words here: convert it without, and see scale_settings.forecast"
        raise SpecError(f"predictiveAutoscalePolicy: {rule}")


def _profile(profile: Values) -> Values:
    capacity = _mapping(profile.get("capacity"), "capacity")
    made: Values = {
        "name": profile.get("name"),
        "capacity": {ours: _number(capacity.get(key), key) for key, ours in CAPACITY.items()},
        "rules": [_rule(_mapping(one, "rules")) for one in _list_or_none(profile, "rules")],
    }
    if date := profile.get("fixedDate"):
        made["fixed_date"] = _fixed(_mapping(date, "fixedDate"))
    if recurrence := profile.get("recurrence"):
        made["recurrence"] = _recurrence(_mapping(recurrence, "recurrence"))
    return made


def _rule(rule: Values) -> Values:
    trigger = _mapping(rule.get("metricTrigger"), "metricTrigger")
    action = _mapping(rule.get("scaleAction"), "scaleAction")
    if trigger.get("dimensions"):
        raise SpecError(f"dimensions: {trigger['dimensions']!r}: are not supported")
    known = {key: value for key, value in trigger.items() if key not in LEFT_OUT | {"dimensions"}}
    return {
        "metric_trigger": _snake(_spans(known, "timeGrain", "timeWindow")),
        "scale_action": {
            **_snake(_spans(action, "cooldown")),
            "value": _number(action.get("value"), "value"),
        },
    }


def _fixed(date: Values) -> Values:
    """Azure writes an offset at times, and means the local time of the zone all the same."""
    start, end = (OFFSET.sub("", str(date.get(key))) for key in ("start", "end"))
    return {"start": start, "end": end, "timezone": date.get("timeZone") or "UTC"}


def _recurrence(recurrence: Values) -> Values:
    schedule = _mapping(recurrence.get("schedule"), "schedule")
    return {
        "frequency": recurrence.get("frequency"),
        "days": schedule.get("days"),
        "hours": schedule.get("hours"),
        "minutes": schedule.get("minutes"),
        "timezone": schedule.get("timeZone") or "UTC",
    }


def _spans(values: Values, *keys: str) -> Values:
    return values | {key: _span(values[key]) for key in keys if key in values}


def _span(text: Any) -> Any:
    """Older releases of the CLI print a span of time as 0:05:00."""
    match = CLOCK.fullmatch(str(text))
    if match is None:
        return text
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return f"P{days}DT{hours}H{minutes}M{seconds}S"


def _snake(values: Values) -> Values:
    plain = {re.sub(r"([A-Z])", r"_\1", key).lower(): value for key, value in values.items()}
    return {key: value for key, value in plain.items() if value is not None}


def _number(value: object, key: str) -> int:
    """Templates write numbers as text."""
    if not re.fullmatch(r"\d{1,9}", str(value)):
        raise SpecError(f"{key}: {value!r}: must be a whole number")
    return int(str(value))


def _mapping(value: object, key: str) -> Values:
    if not isinstance(value, Mapping):
        raise SpecError(f"{key}: must be a mapping, as az monitor autoscale show prints it")
    return dict(value)


def _list_or_none(values: Values, key: str) -> list[Any]:
    return _list(values, key) if values.get(key) else []


def _list(values: Values, key: str) -> list[Any]:
    found = values.get(key)
    if not isinstance(found, list) or not found:
        raise SpecError(f"{key}: must be a list, as az monitor autoscale show prints it")
    return found
