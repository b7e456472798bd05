"""What an expected rate asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.observation import Observation
from mesh.spec.forecast import ForecastSettings
from mesh.spec.scale import ScaleSettings


def decided(forecast, most=50, **seen):
    scale = ScaleSettings(
        type="target_utilization", min_instances=0, max_instances=most, forecast=forecast
    )
    return Autoscaler(scale).decide(Observation(current=0, **seen), 0.0)


def test_as_many_as_the_expected_rate_needs_to_the_utilization():
    """20 requests/s of 70 ms keep 1.4 instances busy: two, to 70 %."""
    decision = decided(ForecastSettings(), forecast_per_s=20.0, service_s=0.07)

    assert decision.count == 2
    assert decision.reason == "20 requests/s expected, 70 ms each, need 2"


@pytest.mark.parametrize(
    "seen",
    [
        {"forecast_per_s": None, "service_s": 0.1},
        {"forecast_per_s": 20.0, "service_s": None},
        {"forecast_per_s": 0.0, "service_s": 0.1},
    ],
    ids=["no forecast", "no service time", "nobody expected"],
)
def test_what_is_not_known_asks_for_nothing(seen):
    """A floor is no reason to run when nobody knows what for."""
    assert decided(ForecastSettings(), **seen).count == 0


def test_forecast_only_asks_for_nothing():
    """It is shown, to be judged before it is trusted."""
    forecast = ForecastSettings(mode="forecast_only")

    assert decided(forecast, forecast_per_s=20.0, service_s=0.1).count == 0


def test_what_differs_by_chance_takes_nobody_away():
    """The forecast of the next five minutes is a little lower: the count stays for a while."""
    scale = ScaleSettings(
        type="target_utilization", min_instances=0, max_instances=9, forecast=ForecastSettings()
    )
    autoscaler = Autoscaler(scale)
    counts = [
        autoscaler.decide(
            Observation(current=3, ready=3, service_s=0.1, forecast_per_s=rate), now_s
        ).count
        for now_s, rate in ((0.0, 20.0), (1.0, 13.0), (2.0, 13.0))
    ]

    assert counts == [3, 3, 3]


@given(st.floats(0, 1e9), st.floats(0.001, 300), st.integers(1, 50))
def test_it_never_exceeds_the_bounds(expected_per_s, service_s, most):
    """Whatever is expected."""
    decision = decided(ForecastSettings(), most, forecast_per_s=expected_per_s, service_s=service_s)

    assert 0 <= decision.count <= most
