"""Samples and windows: statistic within a grain, aggregation over the window."""

import pytest

from mesh.scaling.observation import Observation
from mesh.scaling.series import Series
from mesh.scaling.signals import SIGNALS
from mesh.scaling.trigger import scale_rule
from mesh.spec.profiles import MetricTrigger, Rule, ScaleAction

ACTION = ScaleAction(direction="Increase", value=1)
BEGAN_S = 600.0  # a whole minute


def trigger(**changes):
    """One that looks at three minutes of CPU."""
    known = {
        "metric_name": "CpuUtilizationPercentage",
        "operator": "GreaterThan",
        "threshold": 1,
        "time_window": "3m",
    }
    spec = MetricTrigger(**(known | changes))
    return scale_rule(Rule(metric_trigger=spec, scale_action=ACTION)).trigger


def fill(minutes, name="CpuUtilizationPercentage", span=10, field="cpu_percent", ready=2):
    """A series of minutes, each with its values at equal distances."""
    series = Series({name: span})
    for minute, values in enumerate(minutes):
        for index, value in enumerate(values):
            seen = Observation(current=ready, ready=ready, **{field: value})
            series.record(seen, BEGAN_S + minute * 60 + index * 60 / len(values))
    return series


THREE = [[10.0, 30.0], [40.0, 60.0], [80.0, 100.0]]


@pytest.mark.parametrize(
    ("statistic", "samples"),
    [
        ("Average", [20, 50, 90]),
        ("Min", [10, 40, 80]),
        ("Max", [30, 60, 100]),
        ("Sum", [40, 100, 180]),
    ],
)
def test_the_statistic_makes_a_sample_of_a_grain(statistic, samples):
    """Two instances: their sum is twice their mean."""
    one = trigger(statistic=statistic)

    assert fill(THREE).samples(one, BEGAN_S + 180) == samples


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [
        ("Average", 160 / 3),
        ("Minimum", 20),
        ("Maximum", 90),
        ("Total", 160),
        ("Count", 3),
        ("Last", 90),
    ],
)
def test_the_aggregation_puts_samples_together(aggregation, value):
    """Over the whole window."""
    assert trigger(time_aggregation=aggregation).value([20, 50, 90], 2) == pytest.approx(value)


def test_a_value_may_be_shared_out():
    """divide_per_instance: by the count of the moment, by one where there is none."""
    one = trigger(time_aggregation="Total", divide_per_instance=True)

    assert one.value([20, 50, 90], 4) == 40
    assert one.value([20, 50, 90], 0) == 160


def test_a_longer_grain_takes_minutes_together():
    """Two samples of two minutes each, weighed by what was seen."""
    one = trigger(time_grain="2m", time_window="4m")
    series = fill([[10.0], [20.0, 20.0, 20.0], [50.0], [70.0]])

    assert series.samples(one, BEGAN_S + 240) == [17.5, 60]


def test_a_minute_that_is_not_over_is_not_in_the_window():
    """The window ends with the last whole minute and begins three before it."""
    series = fill([*THREE, [0.0, 0.0]])

    assert series.samples(trigger(), BEGAN_S + 239) == [20, 50, 90]
    assert series.samples(trigger(), BEGAN_S + 240) == [50, 90, 0]


def test_a_minute_without_data_is_no_zero():
    """It has no sample."""
    series = fill([[10.0], [None], [30.0]])

    assert series.samples(trigger(), BEGAN_S + 180) == [10, 30]
    assert trigger().value([], 1) is None


def test_whole_minutes_are_counted_from_the_first():
    """One that was begun in the middle does not count."""
    series = Series({"InFlight": 5})
    for second in range(90):
        series.record(Observation(current=1, in_flight=1), BEGAN_S + 30 + second)

    assert [series.minutes(BEGAN_S + after) for after in (31, 60, 119, 120)] == [0, 0, 0, 1]


def test_old_minutes_are_forgotten():
    """As many are kept as a rule looks at."""
    series = fill([[float(minute)] for minute in range(100)], span=3)

    assert len(series.samples(trigger(time_window="100m"), BEGAN_S + 6000)) <= 4


FULL = Observation(
    current=2,
    depth=7,
    cpu_percent=1.0,
    memory_percent=2.0,
    gpu_percent=3.0,
    gpu_memory_percent=4.0,
    latency_mean_s=0.005,
    latency_s={50: 0.006, 90: 0.007, 95: 0.008, 99: 0.009},
    requests_per_s=0.5,
    wait_s=0.011,
    in_flight=12,
)
UNITS = {
    "CpuUtilizationPercentage": 1,
    "CpuMemoryUtilizationPercentage": 2,
    "GpuUtilizationPercentage": 3,
    "GpuMemoryUtilizationPercentage": 4,
    "RequestLatency": 5,
    "RequestLatency_P50": 6,
    "RequestLatency_P90": 7,
    "RequestLatency_P95": 8,
    "RequestLatency_P99": 9,
    "RequestsPerMinute": 30,
    "QueueDepth": 7,
    "EstimatedWait": 11,
    "InFlight": 12,
}


def test_each_metric_is_read_in_its_unit():
    """Percent, milliseconds, requests a minute, requests."""
    values = {name: signal.read(FULL) for name, signal in SIGNALS.items()}

    assert values == pytest.approx(UNITS)


def test_no_metric_is_zero_where_nothing_is_known():
    """None of them."""
    nothing = Observation(current=1, depth=None)

    assert {signal.read(nothing) for signal in SIGNALS.values()} == {None}
