"""Profiles, their rules and schedules, as YAML has them, and what is said of wrong ones."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import SpecError
from mesh.spec.document import read_document
from mesh.spec.durations import duration_s
from mesh.spec.load import deployment_from_values
from mesh.spec.profiles import MetricTrigger, Rule, ScaleAction
from mesh.spec.shortform import action_of, trigger_of
from mesh.spec.zones import zone_of

HEAD = """\
name: blue
endpoint_name: iris
code_configuration: {code: ., scoring_script: score.py}
scale_settings:
  type: target_utilization
  min_instances: 1
  max_instances: 10
"""
CAPACITY = "capacity: {min: 1, max: 5, default: 2}"
USUAL = f"- {{name: usual, {CAPACITY}}}"


def load(text):
    """The scale settings of a YAML file that has more of them."""
    document = read_document(HEAD + text, "blue.yml")
    return deployment_from_values(document.values).spec.scale_settings


def refusals(text):
    """What is said of it, without where the file stands."""
    with pytest.raises(SpecError) as caught:
        load(text)
    return [line.removeprefix("deployment: ") for line in str(caught.value).splitlines()]


def profiles(*items):
    """A list of profiles as YAML."""
    return "  profiles:\n" + "".join(f"  {item}\n" for item in items)


def with_rule(rule):
    """One profile with one rule, in flow style."""
    return profiles(f"- {{name: usual, {CAPACITY}, rules: [{rule}]}}")


def with_recurrence(recurrence, *others):
    """A recurring profile beside the default."""
    one = f"- {{name: weekly, {CAPACITY}, recurrence: {recurrence}}}"
    return profiles(USUAL, one, *others)


def with_schedule(schedule):
    """One schedule, in flow style."""
    return f"  schedules: [{schedule}]\n"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (
            "CpuUtilizationPercentage > 70 avg 5m",
            MetricTrigger(
                metric_name="CpuUtilizationPercentage",
                operator="GreaterThan",
                threshold=70,
                time_window="5m",
            ),
        ),
        (
            "requestlatency_p95 <= 12.5 MAX PT1H",
            MetricTrigger(
                metric_name="RequestLatency_P95",
                operator="LessThanOrEqual",
                threshold=12.5,
                time_aggregation="Maximum",
                time_window="PT1H",
            ),
        ),
    ],
)
def test_a_condition_says_the_same_as_a_trigger(condition, expected):
    """The form of az monitor autoscale rule create, in any case."""
    assert trigger_of(Rule(condition=condition, scale="out 1")) == expected


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("out 2", ScaleAction(direction="Increase", value=2)),
        ("in 10%", ScaleAction(direction="Decrease", type="PercentChangeCount", value=10)),
        ("To 5", ScaleAction(direction="None", type="ExactCount", value=5)),
    ],
)
def test_a_scale_says_the_same_as_an_action(scale, expected):
    """Out, in and to, as --scale has them; the cooldown is 5 minutes."""
    assert action_of(Rule(condition="", scale=scale)) == expected


def test_the_grain_is_that_of_the_command_line():
    """--timegrain: how a sample is made, and its span."""
    rule = Rule(condition="QueueDepth > 1 avg 10m", scale="out 1", time_grain="max 5m")

    trigger = trigger_of(rule)

    assert (trigger.statistic, trigger.time_grain) == ("Max", "5m")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300), ("1h30m", 5400), ("PT5M", 300), ("P1DT2H", 93_600), ("90s", 90), ("7d", 604_800)],
)
def test_spans_of_time(text, seconds):
    """Short, or of ISO 8601."""
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "P", "PT", "5 m", "-5m", "1m1h", "five"])
def test_what_is_no_span_of_time(text):
    """A number alone has no unit."""
    with pytest.raises(ValueError, match="span of time"):
        duration_s(text)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Pacific Standard Time", "America/Los_Angeles"),
        ("w. europe standard time", "Europe/Berlin"),
        ("Asia/Kolkata", "Asia/Kolkata"),
        ("UTC", "UTC"),
    ],
)
def test_zones_have_the_names_of_windows_and_of_iana(name, key):
    """Azure knows the former, everybody else the latter."""
    assert zone_of(name).key in (key, f"Etc/{key}")


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "America", "\0"]
)
def test_what_is_no_zone(name):
    """Nor are folders and paths."""
    with pytest.raises(ValueError, match="time zone"):
        zone_of(name)


LONG_FORM = """\
  profiles:
  - name: Usual
    capacity: {min: 2, max: 5, default: 2}
    rules:
    - metric_trigger:
        metric_name: cpuutilizationpercentage
        time_grain: PT1M
        statistic: average
        time_window: PT5M
        time_aggregation: average
        operator: greater_than
        threshold: 70
      scale_action: {direction: increase, type: change_count, value: 2, cooldown: PT1H}
    - {condition: RequestLatency < 30 avg 5m, scale: in 1, cooldown: 10m}
  - name: Thursdays
    capacity: {min: 1, max: 10, default: 2}
    recurrence: {frequency: week, days: [thursday, SUN], start: 6:00, end: 22:50}
  - name: Fair
    capacity: {min: 5, max: 10, default: 5}
    fixed_date: {start: 2026-12-26T00:00:00, end: 2026-12-26, timezone: Pacific Standard Time}
"""


def test_words_are_spelt_any_way_and_times_are_times():
    """22:50 is no number to base 60, a date needs no quotes; both forms of a rule may be there."""
    scale = load(LONG_FORM.replace("end: 2026-12-26,", "end: 2026-12-27,"))

    usual, thursdays, fair = scale.profiles
    assert usual.rules[0].metric_trigger.operator == "GreaterThan"
    assert usual.rules[0].scale_action.direction == "Increase"
    assert thursdays.recurrence.days == ["Thursday", "sun"]
    assert (thursdays.recurrence.start, thursdays.recurrence.end) == ("6:00", "22:50")
    assert fair.fixed_date.end == "2026-12-27"
    assert scale.utilization_percentage is None


P = "scale_settings.profiles"
MONDAY = "{days: [mon], hours: [1]}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            profiles(f"- {{name: a, {CAPACITY}}}", f"- {{name: a, {CAPACITY}}}"),
            [
                f"{P}[1].name: 'a': is the name of another profile",
                f"{P}[1]: 'a': must have fixed_date or recurrence: another profile is the default",
            ],
            id="two of a name, two defaults",
        ),
        pytest.param(
            profiles("- {name: a, capacity: {min: 0, max: 11, default: 12}}"),
            [
                f"{P}[0].capacity.default: 12: must be between capacity.min and capacity.max, "
                "0 and 11",
                f"{P}[0].capacity.min: 0: must be at least min_instances, 1",
                f"{P}[0].capacity.max: 11: must be at most max_instances, 10",
            ],
            id="a capacity out of the bounds",
        ),
        pytest.param(
            profiles("- {name: a, capacity: {min: 3, max: 2, default: 2}}"),
            [f"{P}[0].capacity.min: 3: must be at most capacity.max, 2"],
            id="min and max",
        ),
        pytest.param(
            profiles(f"- {{name: a, {CAPACITY}, recurrence: {{days: [mon]}}}}"),
            [
                f"{P}: missing: needs a profile without fixed_date and recurrence, for when no "
                "other profile applies"
            ],
            id="no default",
        ),
        pytest.param(
            profiles(*(f"- {{name: n{i}, {CAPACITY}, recurrence: {MONDAY}}}" for i in range(21))),
            [f"{P}: 21: must be at most 20 profiles"],
            id="21 profiles",
        ),
        pytest.param(
            with_rule(", ".join(["{condition: QueueDepth > 1 avg 5m, scale: out 1}"] * 11)),
            [f"{P}[0].rules: 11: must be at most 10 rules"],
            id="11 rules",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_profiles(text, said):
    """Key, value and rule."""
    assert refusals(text) == said


R = f"{P}[0].rules[0]"
PAIR = "give condition and scale, or metric_trigger and scale_action"
CONDITION = "must read METRIC {>,>=,<,<=,==,!=} NUMBER {avg,min,max,total,count,last} TIME"
TRIGGER = "metric_trigger: {metric_name: InFlight, operator: Equals, threshold: 1, time_window: 5m}"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{scale: out 1}", f"condition: missing: is required: {PAIR}"),
        ("{condition: QueueDepth > 1 avg 5m}", f"scale: missing: is required: {PAIR}"),
        (f"{{{TRIGGER}}}", f"scale_action: missing: is required: {PAIR}"),
        (
            f"{{{TRIGGER}, scale_action: {{direction: Increase, value: 1}}, cooldown: 5m}}",
            f"cooldown: '5m': must not be given: {PAIR}",
        ),
        (
            "{condition: QueueDepth > 1 avg, scale: out 1}",
            f"condition: 'QueueDepth > 1 avg': {CONDITION}",
        ),
        (
            "{condition: QueueDepth >> 1 avg 5m, scale: out 1}",
            f"condition: 'QueueDepth >> 1 avg 5m': {CONDITION}",
        ),
        (
            "{condition: QueueDepth > 1 avg 5m where a == b, scale: out 1}",
            "condition: 'QueueDepth > 1 avg 5m where a == b': dimensions are not supported: must "
            "end with the time",
        ),
        (
            "{condition: QueueDepth > 1 avg 13h, scale: out 1}",
            "condition: '13h': must be between 1m and 12h",
        ),
        (
            "{condition: QueueDepth > 1 avg 90s, scale: out 1}",
            "condition: '90s': must be whole minutes",
        ),
        (
            "{condition: QueueDepth > 1 avg 5m, scale: out 1, time_grain: avg 2m}",
            "condition: '5m': must be a multiple of the time grain, 2m",
        ),
        (
            "{condition: QueueDepth > 1 avg 5m, scale: out 1, time_grain: mean 1m}",
            "time_grain: 'mean 1m': must read {avg,min,max,sum} TIME",
        ),
        (
            "{condition: QueueDepth > 1 avg 5m, scale: up 1}",
            "scale: 'up 1': must read {out,in} NUMBER, {out,in} NUMBER% or to NUMBER",
        ),
        ("{condition: QueueDepth > 1 avg 5m, scale: out 0}", "scale: 0: must be at least 1"),
        ("{condition: QueueDepth > 1 avg 5m, scale: in 101%}", "scale: 101: must be at most 100%"),
        (
            "{condition: QueueDepth > 1 avg 5m, scale: out 1, cooldown: 8d}",
            "cooldown: '8d': must be between 1m and 7d",
        ),
        (
            "{condition: QueueDepth > 1 avg 5m, scale: out 1, cooldown: 5}",
            "cooldown: 5: must be text",
        ),
        (
            f"{{{TRIGGER}, scale_action: {{direction: None, value: 1}}}}",
            "scale_action.direction: 'None': must be Increase or Decrease unless type is "
            "ExactCount",
        ),
        (
            f"{{{TRIGGER}, scale_action: {{direction: Increase, value: 1, cooldown: soon}}}}",
            "scale_action.cooldown: 'soon': must be a span of time such as 5m, 1h or PT5M",
        ),
        (
            f"{{{TRIGGER.replace('5m', '5m, time_grain: 1s')}, "
            "scale_action: {direction: Increase, value: 1}}",
            "metric_trigger.time_grain: '1s': must be whole minutes",
        ),
        (
            f"{{{TRIGGER.replace('5m', '5m, dimensions: []')}, "
            "scale_action: {direction: Increase, value: 1}}",
            "metric_trigger.dimensions: []: unknown key",
        ),
    ],
)
def test_what_is_wrong_with_a_rule(rule, said):
    """Key, value and rule."""
    assert refusals(with_rule(rule)) == [f"{R}.{said}"]


def test_a_metric_that_there_is_not():
    """The message names those that there are."""
    (said,) = refusals(with_rule("{condition: Cpu > 1 avg 5m, scale: out 1}"))

    assert said.startswith(f"{R}.condition: 'Cpu > 1 avg 5m': must begin with one of CpuUtil")


W = f"{P}[1].recurrence"


@pytest.mark.parametrize(
    ("recurrence", "said"),
    [
        ("{days: []}", f"{W}.days: []: must not be empty"),
        ("{days: [mon], start: 8:60}", f"{W}.start: '8:60': must be a time of day such as 08:00"),
        (
            "{days: [mon], start: 18:00, end: 8:00}",
            f"{W}.end: '8:00': must be later than start, on the same day",
        ),
        (
            "{days: [mon], hours: [8], end: 9:00}",
            f"{W}.end: '9:00': must not be given beside hours: the profile ends when the next "
            "begins",
        ),
        ("{days: [mon], minutes: [8]}", f"{W}.minutes: a list: needs hours"),
        ("{days: [mon], hours: [24]}", f"{W}.hours[0]: 24: must be between 0 and 23"),
        (
            "{days: [mon], timezone: Mars}",
            f"{W}.timezone: 'Mars': must be a time zone such as Europe/Berlin or "
            "W. Europe Standard Time",
        ),
    ],
)
def test_what_is_wrong_with_a_recurrence(recurrence, said):
    """Key, value and rule."""
    assert refusals(with_recurrence(recurrence)) == [said]


def test_two_recurrences_may_not_overlap():
    """The second is named, and the first in what is said of it."""
    other = f"- {{name: other, {CAPACITY}, recurrence: {{days: [tue, wed], start: 11:59}}}}"

    said = refusals(with_recurrence("{days: [wed], start: 8:00, end: 12:00}", other))

    assert said == [f"{P}[2].recurrence.start: '11:59': overlaps with profile 'weekly'"]


@pytest.mark.parametrize(
    ("date", "said"),
    [
        (
            "{start: 2026-12-24T08:00:00Z, end: 2026-12-25}",
            "start: '2026-12-24T08:00:00Z': must be a local date and time such as "
            "2026-12-24T18:00, without an offset",
        ),
        ("{start: 2026-12-24, end: 2026-12-24}", "end: '2026-12-24': must be later than start"),
        (
            "{start: 2026-12-24, end: 2027-12-25}",
            "end: '2027-12-25': must be at most 365 days after start",
        ),
        ("{start: 2026-12-24}", "end: missing: is required"),
    ],
)
def test_what_is_wrong_with_a_fixed_date(date, said):
    """Key, value and rule."""
    text = profiles(USUAL, f"- {{name: fair, {CAPACITY}, fixed_date: {date}}}")

    assert refusals(text) == [f"{P}[1].fixed_date.{said}"]


def test_a_profile_has_one_kind_of_time():
    """Not two."""
    both = "fixed_date: {start: 2026-12-24, end: 2026-12-25}, recurrence: {days: [mon]}"

    said = refusals(profiles(USUAL, f"- {{name: fair, {CAPACITY}, {both}}}"))

    assert said == [f"{P}[1].recurrence: 'fair': must not be given beside fixed_date"]


S = "scale_settings.schedules[0]"


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (
            '{start: "0 8 * *", end: "0 9 * * *", instances: 2}',
            f"{S}.start: '0 8 * *': must be five fields: minute, hour, day of month, month, "
            "day of week",
        ),
        (
            '{start: "0 8 * * *", end: "61 9 * * *", instances: 2}',
            f"{S}.end: '61 9 * * *': must be a cron expression: bad minute",
        ),
        (
            '{start: "0 8 31 2 *", end: "0 9 * * *", instances: 2}',
            f"{S}.start: '0 8 31 2 *': must be a cron expression: bad day-of-month",
        ),
        (
            '{start: "0 8 * * *", end: "0  8 * * *", instances: 2}',
            f"{S}.end: '0  8 * * *': must differ from start",
        ),
        (
            '{start: "0 8 * * *", end: "0 9 * * *", instances: 11}',
            f"{S}.instances: 11: must be at most max_instances, 10",
        ),
        (
            '{start: "0 8 * * *", end: "0 9 * * *", instances: 2, timezone: Mars}',
            f"{S}.timezone: 'Mars': must be a time zone such as Europe/Berlin or "
            "W. Europe Standard Time",
        ),
    ],
)
def test_what_is_wrong_with_a_schedule(schedule, said):
    """Key, value and rule."""
    assert refusals(with_schedule(schedule)) == [said]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    "name capacity rules fixed_date recurrence condition scale start end days hours instances "
    "min max default timezone metric_trigger scale_action time_window"
)
keys = st.sampled_from(KEYS.split())
nested = st.recursive(plain, lambda inner: st.dictionaries(keys, inner, max_size=5), max_leaves=20)


@given(st.lists(nested, max_size=3), st.lists(nested, max_size=3))
def test_whatever_is_given_is_a_spec_or_a_refusal(some, others):
    """No value brings the reader down."""
    document = read_document(HEAD, "blue.yml")
    document.values["scale_settings"] |= {"profiles": some, "schedules": others}

    with contextlib.suppress(SpecError):
        deployment_from_values(document.values)
