"""What weeks of demand let expect, on demands whose seasons are known."""

import math

import numpy as np
import pytest

from mesh.loads import LoadPoint
from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.observation import Observation
from mesh.spec.forecast import ForecastSettings
from mesh.spec.scale import ScaleSettings
from scaler.forecast.outlook import SLOT_S
from scaler.forecast.seasons import DAY, WEEK, outlook
from scaler.forecast.task import Wish

pytestmark = pytest.mark.timeout(60)  # two cores, and others who fit
MONDAY_S = 4 * 86_400.0 + 100 * WEEK * SLOT_S
SERVICE_S = 0.1


def office(slots):
    """Requests a second: a peak at 14:00, on working days four times as high."""
    day, time = slots // DAY % 7, slots % DAY / DAY
    return 0.2 + 20 * np.exp(-(((time - 14 / 24) / 0.1) ** 2)) * np.where(day < 5, 1.0, 0.25)


def noise(slots):
    """Five requests a second, always."""
    return np.full(len(slots), 5.0)


def counted(rates, seed=1, spread=0.15):
    """Requests in each slot: Poisson's, of rates that vary from slot to slot."""
    draw = np.random.default_rng(seed)
    return draw.poisson(rates * SLOT_S * np.exp(draw.normal(0, spread, len(rates))))


def points(counts, heard_s=SLOT_S):
    """From a Monday on."""
    return [
        LoadPoint(
            start_s=MONDAY_S + i * SLOT_S,
            heard_s=heard_s,
            requests=round(int(count) * heard_s / SLOT_S),
            service_s=SERVICE_S,
        )
        for i, count in enumerate(counts)
    ]


def foreseen(known, slots, min_days=7, percentile=90):
    now_s = MONDAY_S + slots * SLOT_S
    return outlook(known, Wish(now_s=now_s, min_days=min_days, percentile=percentile))


def floor(expected_per_s, max_instances):
    """How many instances there are while nobody asks."""
    scale = ScaleSettings(
        type="target_utilization",
        min_instances=0,
        max_instances=max_instances,
        forecast=ForecastSettings(),
    )
    seen = Observation(current=1, ready=1, service_s=SERVICE_S, forecast_per_s=expected_per_s)
    return Autoscaler(scale).decide(seen, 0.0).count


@pytest.fixture(scope="module")
def weeks():
    """Four weeks of office hours, and the fifth that is not known yet."""
    slots = np.arange(5 * WEEK)
    return office(slots), counted(office(slots))


def test_a_day_stays_below_the_forecast_as_often_as_was_asked_for(weeks):
    """90 % of the slots, give or take a bad day; and it is no careless bound."""
    _, counts = weeks
    expected = np.array(foreseen(points(counts[: 4 * WEEK]), 4 * WEEK).rates) * SLOT_S
    came = counts[4 * WEEK : 4 * WEEK + DAY]

    assert 0.8 <= np.mean(came <= expected) <= 0.99
    assert expected.sum() < 1.5 * came.sum()


def test_the_weekend_is_no_working_day(weeks):
    """Its peak is a quarter as high, and so is the forecast's, more or less."""
    _, counts = weeks
    friday, saturday = (
        max(foreseen(points(counts[:until]), until).rates)
        for until in (4 * WEEK - 3 * DAY, 4 * WEEK - 2 * DAY)
    )

    assert saturday < friday / 2


def test_the_floor_is_there_before_the_peak_and_within_the_bounds(weeks):
    """At noon instances are started for what comes by the time they are ready."""
    rates, counts = weeks
    seen_at = 4 * WEEK + DAY // 2
    view = foreseen(points(counts[:seen_at]), seen_at)
    now_s = MONDAY_S + seen_at * SLOT_S
    expected_per_s = view.rate(now_s, now_s + 3600)

    now, in_an_hour = (math.ceil(rates[slot] * SERVICE_S / 0.7) for slot in (seen_at, seen_at + 12))
    assert now < in_an_hour <= floor(expected_per_s, 50) <= 2 * in_an_hour
    assert floor(expected_per_s, 2) == 2


def test_noise_asks_for_nothing_unreasonable():
    """What nine slots in ten stay below is expected, not what once came by chance."""
    counts = counted(noise(np.arange(4 * WEEK)), spread=0.4)
    expected = np.array(foreseen(points(counts), len(counts)).rates) * SLOT_S

    assert expected.mean() == pytest.approx(np.quantile(counts, 0.9), rel=0.1)
    assert expected.max() <= min(counts.max(), 2.5 * counts.mean())


@pytest.mark.parametrize("count", [0, 0.0001], ids=["nothing", "a request now and then"])
def test_what_hardly_anybody_asks_for_may_sleep(count):
    """Less than one request in a slot is none: it may scale to zero."""
    counts = np.random.default_rng(1).poisson(count * SLOT_S, 8 * DAY)

    assert set(foreseen(points(counts), len(counts)).rates) == {0.0}


def test_too_few_days_say_so():
    """Nothing is expected, and why."""
    counts = counted(noise(np.arange(3 * DAY + DAY // 2)))

    view = foreseen(points(counts), len(counts))

    assert (view.rates, view.reason) == ([], "3.5 of 7 days of demand are known")
    assert (view.rate(MONDAY_S, MONDAY_S), view.service_s) == (None, SERVICE_S)


def test_the_fewest_days_there_may_be_are_enough():
    """Three: two to learn from, one to see how far that is off."""
    counts = counted(noise(np.arange(3 * DAY)))

    assert len(foreseen(points(counts), len(counts), min_days=3).rates) == DAY


def test_gaps_and_halves_do_not_matter(weeks):
    """A scaler that was away for a day, and slots of which two scalers heard half each."""
    _, counts = weeks
    until = 3 * WEEK + DAY // 2
    known = points(counts[:until], SLOT_S / 2) + points(counts[:until], SLOT_S / 2)
    gone = MONDAY_S + 2 * WEEK * SLOT_S
    known = [one for one in known if not gone <= one.start_s < gone + DAY * SLOT_S]

    whole = np.array(foreseen(points(counts[:until]), until).rates)
    holed = np.array(foreseen(known, until).rates)

    assert np.abs(whole - holed).mean() < 0.15 * whole.mean()
