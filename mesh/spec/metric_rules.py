"""What a rule of a profile must hold beyond the types of its keys. Ring: values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mesh.spec.profiles import MetricTrigger, Rule, ScaleAction
from mesh.spec.shortform import (
    action_of,
    cooldown_minutes,
    read_condition,
    read_grain,
    read_scale,
    span_minutes,
    trigger_of,
)
from mesh.spec.violation import MISSING, Path, Violation, problem_of

PAIR: Final = "give condition and scale, or metric_trigger and scale_action"


def rule_violations(rule: Rule, path: Path) -> Iterator[Violation]:
    """Yield what is wrong with a rule that stands at `path`."""
    is_long = rule.metric_trigger is not None or rule.scale_action is not None
    parts = ("metric_trigger", "scale_action") if is_long else ("condition", "scale")
    others = ("condition", "scale", "cooldown", "time_grain") if is_long else ()
    for key in parts:
        if getattr(rule, key) is None:
            yield Violation((*path, key), MISSING, f"is required: {PAIR}")
    for key in others:
        if getattr(rule, key) is not None:
            yield Violation((*path, key), getattr(rule, key), f"must not be given: {PAIR}")
    if rule.condition is not None or rule.metric_trigger is not None:
        yield from _trigger(rule, path)
    if rule.scale is not None or rule.scale_action is not None:
        yield from _action(rule, path)


def _trigger(rule: Rule, path: Path) -> Iterator[Violation]:
    grain, condition = rule.time_grain, rule.condition
    if grain is not None and (wrong := problem_of(read_grain, grain)):
        yield Violation((*path, "time_grain"), grain, wrong)
    elif condition is not None and (wrong := problem_of(read_condition, condition)):
        yield Violation((*path, "condition"), condition, wrong)
    elif rule.metric_trigger is not None:
        inner = (*path, "metric_trigger")
        keys = ((*inner, "time_grain"), (*inner, "time_window"))
        yield from _spans(rule.metric_trigger, *keys)
    else:
        yield from _spans(trigger_of(rule), (*path, "time_grain"), (*path, "condition"))


def _spans(trigger: MetricTrigger, grain: Path, window: Path) -> Iterator[Violation]:
    texts = {grain: trigger.time_grain, window: trigger.time_window}
    broken = [
        Violation(path, text, rule)
        for path, text in texts.items()
        if (rule := problem_of(span_minutes, text))
    ]
    yield from broken
    if not broken and span_minutes(trigger.time_window) % span_minutes(trigger.time_grain):
        rule = f"must be a multiple of the time grain, {trigger.time_grain}"
        yield Violation(window, trigger.time_window, rule)


def _action(rule: Rule, path: Path) -> Iterator[Violation]:
    if rule.scale is not None and (wrong := problem_of(read_scale, rule.scale)):
        yield Violation((*path, "scale"), rule.scale, wrong)
        return
    action = action_of(rule)
    inner = (*path, "scale_action") if rule.scale_action is not None else path
    if wrong := problem_of(cooldown_minutes, action.cooldown):
        yield Violation((*inner, "cooldown"), action.cooldown, wrong)
    yield from _amount(
        action, (*inner, "value") if rule.scale_action is not None else (*path, "scale")
    )
    if action.direction == "None" and action.type != "ExactCount":
        rule_text = "must be Increase or Decrease unless type is ExactCount"
        yield Violation((*inner, "direction"), action.direction, rule_text)


def _amount(action: ScaleAction, path: Path) -> Iterator[Violation]:
    if action.type != "ExactCount" and action.value < 1:
        yield Violation(path, action.value, "must be at least 1")
    is_percent = action.type == "PercentChangeCount" and action.direction == "Decrease"
    if is_percent and action.value > 100:
        yield Violation(path, action.value, "must be at most 100%")
