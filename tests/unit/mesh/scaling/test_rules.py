"""What rules do to a count: Azure Monitor's own examples, sentence by sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.scaling.rules import Reading, judge
from mesh.scaling.trigger import scale_rule
from mesh.spec.profiles import Capacity, MetricTrigger, Rule, ScaleAction
from tests.unit.mesh.scaling.fleet import rule

CPU_OUT = rule("CpuUtilizationPercentage > 75 avg 10m", "out 1")
CPU_IN = rule("CpuUtilizationPercentage < 30 avg 10m", "in 1")
MEMORY_OUT = rule("CpuMemoryUtilizationPercentage > 75 avg 10m", "out 1")
MEMORY_IN = rule("CpuMemoryUtilizationPercentage < 50 avg 10m", "in 1")
FOUR = [CPU_OUT, CPU_IN, MEMORY_OUT, MEMORY_IN]


def outcome(rules, values, current, *, least=1, most=50, default=1, may_shrink=True):
    """What becomes of a count; `values` by the metric's name."""
    known = [scale_rule(one) for one in rules]
    readings = [Reading(one, values.get(one.trigger.metric)) for one in known]
    capacity = Capacity(least=least, most=most, default=default)
    return judge(readings, current, capacity, may_shrink=may_shrink)


def count(*arguments, **named):
    """The count alone; None if nothing changes."""
    found = outcome(*arguments, **named)
    return None if found is None or found.count == arguments[2] else found.count


def cpu(value, memory=None):
    """Values of one or two metrics."""
    values = {"CpuUtilizationPercentage": value}
    return values if memory is None else values | {"CpuMemoryUtilizationPercentage": memory}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(cpu(76, 50), 5, id="any rule to scale out is enough"),
        pytest.param(cpu(50, 76), 5, id="whichever it is"),
        pytest.param(cpu(25, 51), None, id="not all rules to scale in"),
        pytest.param(cpu(29, 49), 3, id="all rules to scale in"),
        pytest.param(cpu(75, 50), None, id="more than 75 is not 75"),
    ],
)
def test_out_if_any_and_in_if_all(values, expected):
    """CPU < 30 and memory < 50: in by 1; CPU > 75 or memory > 75: out by 1."""
    assert count(FOUR, values, 4) == expected


@pytest.mark.parametrize(
    ("deeds", "current", "expected"),
    [
        pytest.param(("out 3", "out 5"), 10, 15, id="the larger of two"),
        pytest.param(("out 3", "out 15%"), 10, 13, id="15% of 10 is 2"),
        pytest.param(("out 3", "out 15%"), 40, 46, id="15% of 40 is 6"),
        pytest.param(("out 3", "to 12"), 10, 13, id="more than a number"),
        pytest.param(("out 1", "to 12"), 10, 12, id="to a number"),
        pytest.param(("to 12",), 20, None, id="a number is no reason to go below it unasked"),
        pytest.param(("out 10%",), 1, 2, id="a share is one at least"),
        pytest.param(("out 90",), 10, 50, id="at most the capacity's max"),
        pytest.param(("out 1",), 50, None, id="nothing at the max"),
    ],
)
def test_out_goes_to_the_largest_capacity(deeds, current, expected):
    """Of the rules that fire, the one with the most instances wins."""
    rules = [rule("CpuUtilizationPercentage > 70 avg 5m", deed) for deed in deeds]

    assert count([*rules, CPU_IN], cpu(80), current) == expected


@pytest.mark.parametrize(
    ("deeds", "current", "expected"),
    [
        pytest.param(("in 50%", "in 3"), 10, 7, id="the doc's example: 5 and 7"),
        pytest.param(("in 2", "in 5"), 10, 8, id="the smaller of two"),
        pytest.param(("in 10%",), 5, 4, id="a share is one at least"),
        pytest.param(("in 30%",), 5, 4, id="a share is rounded down"),
        pytest.param(("in 30",), 10, 1, id="at least the capacity's min"),
        pytest.param(("to 4",), 10, 4, id="to a number"),
        pytest.param(("in 1",), 1, None, id="nothing at the min"),
    ],
)
def test_in_goes_by_as_little_as_possible(deeds, current, expected):
    """All of them fire; the one that leaves the most instances wins."""
    rules = [rule("CpuUtilizationPercentage < 30 avg 5m", deed) for deed in deeds]

    assert count(rules, cpu(1), current) == expected


@pytest.mark.parametrize("deed", ["out 1", "to 60"])
def test_nothing_goes_while_a_rule_to_scale_out_fires(deed):
    """At the max it brings no more, and is still a reason against fewer."""
    high = rule("CpuMemoryUtilizationPercentage > 75 avg 5m", deed)

    assert outcome([high, CPU_IN], cpu(5, 80), 50) is None
    assert count([high, CPU_IN], cpu(5, 70), 50) == 49


def test_a_rule_to_a_number_keeps_no_other_from_scaling_in():
    """It has a say only when it fires: whether it goes up or down depends on the count."""
    fixed = rule("CpuMemoryUtilizationPercentage > 90 avg 5m", "to 3")

    assert count([CPU_IN, fixed], cpu(10, 50), 6) == 5


@pytest.mark.parametrize(
    ("low", "high", "total", "current", "expected"),
    [
        pytest.param("< 30", "> 50", 56, 2, None, id="28% each of 2 would be 56% of 1"),
        pytest.param("< 30", "> 50", 49, 2, 1, id="49% of 1 is fine"),
        pytest.param("< 600", ">= 600", 1250, 3, None, id="1250 threads: 417 each, 625 of 2"),
        pytest.param("< 400", ">= 600", 1250, 3, None, id="417 is no reason to scale in"),
        pytest.param("< 400", ">= 600", 1180, 3, 2, id="394 is, and 590 no reason to come back"),
    ],
)
def test_what_would_scale_out_again_is_put_off(low, high, total, current, expected):
    """The estimate: the same load on the instances that are left."""
    rules = [
        rule(f"CpuUtilizationPercentage {high} avg 5m", "out 1"),
        rule(f"CpuUtilizationPercentage {low} avg 5m", "in 1"),
    ]

    assert count(rules, cpu(total / current), current) == expected


def test_what_is_put_off_says_so():
    """It is no change and starts no cooldown."""
    rules = [
        rule("CpuUtilizationPercentage > 50 avg 5m", "out 1"),
        rule("CpuUtilizationPercentage < 30 avg 5m", "in 1"),
    ]

    found = outcome(rules, cpu(28), 2)

    said = "CpuUtilizationPercentage is 28 (< 30 avg 5m), in 1, put off lest it flaps"
    assert (found.count, found.why, found.cooldown_s) == (2, said, 0)


def test_less_is_taken_away_if_all_of_it_would_flap():
    """30 instances at 65%: 20 would have 97%, 28 have 69.6%, and more than 70% scales out."""
    rules = [
        rule("RequestsPerMinute >= 6000 avg 5m", "out 20"),
        rule("CpuUtilizationPercentage > 70 avg 5m", "out 20"),
        rule("RequestsPerMinute <= 1500 avg 5m", "in 10"),
    ]

    found = outcome(rules, cpu(65) | {"RequestsPerMinute": 1500}, 30)

    assert found.count == 28
    assert found.why == "RequestsPerMinute is 1500 (<= 1500 avg 5m), in 10, to 28 lest it flaps,"


def test_flapping_is_looked_at_where_instances_go_and_not_where_they_come():
    """To scale out is never put off."""
    rules = [
        rule("CpuUtilizationPercentage > 50 avg 5m", "out 9"),
        rule("CpuUtilizationPercentage < 49 avg 5m", "in 1"),
    ]

    assert count(rules, cpu(51), 1) == 10


def test_a_load_that_is_not_shared_out_is_the_same_for_fewer():
    """250 requests a minute are as many for one instance as for two, unless they are divided."""
    low = MetricTrigger(
        metric_name="RequestsPerMinute", operator="LessThan", threshold=300, time_window="5m"
    )
    high = MetricTrigger(
        metric_name="RequestsPerMinute", operator="GreaterThan", threshold=300, time_window="5m"
    )
    rules = [
        Rule(metric_trigger=low, scale_action=ScaleAction(direction="Decrease", value=1)),
        Rule(metric_trigger=high, scale_action=ScaleAction(direction="Increase", value=1)),
    ]

    assert count(rules, {"RequestsPerMinute": 250}, 2) == 1


@pytest.mark.parametrize(
    ("values", "current", "expected"),
    [
        pytest.param({}, 2, 5, id="below the default"),
        pytest.param({}, 5, None, id="at the default"),
        pytest.param({}, 8, None, id="never in"),
        pytest.param(cpu(10), 8, None, id="never in while one is missing"),
        pytest.param(cpu(10), 2, 5, id="one missing is as bad"),
        pytest.param(cpu(80), 2, 3, id="out for what can be read"),
    ],
)
def test_metrics_that_cannot_be_read(values, current, expected):
    """Out to the default at least, never in."""
    assert count(FOUR, values, current, default=5) == expected


def test_the_reason_names_what_cannot_be_read():
    """Each metric once."""
    found = outcome(FOUR, {}, 1, default=2)

    names = "CpuUtilizationPercentage, CpuMemoryUtilizationPercentage"
    assert (found.why, found.cooldown_s) == (f"{names} cannot be read, the default,", 0)


def test_the_cooldown_is_that_of_the_rule_that_fired():
    """Of two with the same result the longer one."""
    rules = [
        rule("CpuUtilizationPercentage > 70 avg 5m", "out 2", cooldown="1h"),
        rule("CpuUtilizationPercentage > 60 avg 5m", "out 2", cooldown="PT10M"),
        rule("CpuUtilizationPercentage > 50 avg 5m", "out 1", cooldown="1d"),
    ]

    assert outcome(rules, cpu(80), 1).cooldown_s == 3600
    assert outcome(rules, cpu(65), 1).cooldown_s == 600


def test_without_rules_to_scale_in_nothing_goes():
    """One direction alone acts in one direction alone."""
    assert count([CPU_OUT], cpu(0), 9) is None
    assert count([CPU_IN], cpu(99), 9) is None


operators = st.sampled_from([">", ">=", "<", "<=", "==", "!="])
deeds = st.one_of(
    st.tuples(st.sampled_from(["in", "out", "to"]), st.integers(1, 60)).map(
        lambda pair: f"{pair[0]} {pair[1]}"
    ),
    st.tuples(st.sampled_from(["in", "out"]), st.integers(1, 100)).map(
        lambda pair: f"{pair[0]} {pair[1]}%"
    ),
)
metrics = st.sampled_from(["CpuUtilizationPercentage", "RequestsPerMinute"])
rules_of_any_kind = st.lists(
    st.builds(
        lambda metric, operator, threshold, deed: rule(
            f"{metric} {operator} {threshold} avg 5m", deed
        ),
        metrics,
        operators,
        st.integers(0, 100),
        deeds,
    ),
    max_size=10,
)
readings_of_any_kind = st.fixed_dictionaries(
    {},
    optional={
        "CpuUtilizationPercentage": st.floats(0, 200),
        "RequestsPerMinute": st.floats(0, 200),
    },
)


@given(rules_of_any_kind, readings_of_any_kind, st.integers(2, 9))
def test_a_verdict_is_within_the_capacity(rules, values, current):
    """Whatever rules say, the bounds hold."""
    found = count(rules, values, current, least=2, most=9, default=3)

    assert found is None or (2 <= found <= 9 and found != current)


@given(rules_of_any_kind, readings_of_any_kind, st.integers(2, 9))
def test_nothing_is_taken_away_that_would_be_brought_back(rules, values, current):
    """After a scale-in the estimate of each metric scales nothing out."""
    known = [scale_rule(one) for one in rules]
    found = count(rules, values, current, least=1, most=9)
    if found is None or found > current:
        return

    later = {
        one.trigger.metric: one.trigger.estimate(values[one.trigger.metric], current, found)
        for one in known
    }
    after = count(rules, later, found, least=1, most=9)

    assert after is None or after <= found


@given(rules_of_any_kind, st.integers(1, 9))
def test_no_data_is_no_reason_for_fewer(rules, current):
    """With one metric missing the count stays or grows."""
    rules = [*rules, CPU_IN]
    found = count(rules, {"RequestsPerMinute": 0.0}, current, least=1, most=9, default=4)

    assert found is None or found > current
