"""What earlier weeks let expect: seasons of the day and of the week, a level, and an upper bound.

Demand is counted in slots of five minutes. The square root of the counts (whose noise is the same
at any level) is split into a season of the day, one of the week and the rest (MSTL); the level of
the rest is followed by exponential smoothing. How far such a forecast is off is measured on the
last days, by seasons learned from the days before; the quantile of these errors at the time of
day is added. Only the process that computes a forecast imports this.

Source:
    Bandara, Hyndman, Bergmeir: MSTL, a seasonal-trend decomposition algorithm for time series with
    multiple seasonal patterns (2021). Ring: decisions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from statsmodels.tsa.holtwinters import SimpleExpSmoothing
from statsmodels.tsa.seasonal import MSTL

from mesh.loads import LoadPoint
from scaler.forecast.outlook import SLOT_S, Outlook
from scaler.forecast.task import Wish

Array = npt.NDArray[np.float64]

DAY: Final = 288
WEEK: Final = 7 * DAY
LONGEST_DAYS: Final = 35
AHEAD: Final = DAY  # slots that are foreseen
HORIZON: Final = 12  # slots: forecasts are an hour old at most, unless a new one fails
SHORTEST_S: Final = 60.0  # heard in a slot for it to count
NEARBY: Final = 6  # slots to either side that share an error's time of day
SMOOTH: Final = 2  # slots to either side that a season is averaged over
JUMP: Final = DAY // 8  # slots between two fits of a smooth line: in between it is straight
LEAST: Final = 0.5  # requests in a slot: less is none


def outlook(points: Iterable[LoadPoint], wish: Wish) -> Outlook:
    """Return what is to be expected from `wish.now_s` on, for a day."""
    last = int(wish.now_s // SLOT_S)
    counts, service_s = _counts(points, last)
    days = len(counts) / DAY
    if days < wish.min_days:
        reason = f"{days:.1f} of {wish.min_days} days of demand are known"
        return Outlook(days=days, reason=reason, service_s=service_s)
    series = _filled(counts, last)
    upper = _upper(np.sqrt(series), wish.percentile)
    most = float(series.max())
    slots = np.minimum(np.maximum(upper, 0.0) ** 2, most)
    rates = [float(slot) / SLOT_S if slot >= LEAST else 0.0 for slot in slots]
    return Outlook(start_s=last * SLOT_S, rates=rates, days=days, service_s=service_s)


def _counts(points: Iterable[LoadPoint], last: int) -> tuple[dict[int, float], float | None]:
    """Requests by slot before the last one, as if all of it had been heard; and a service time."""
    heard: dict[int, tuple[float, int]] = {}
    service: tuple[float, float] | None = None
    for point in points:
        slot = int(point.start_s // SLOT_S)
        heard_s, requests = heard.get(slot, (0.0, 0))
        heard[slot] = heard_s + point.heard_s, requests + point.requests
        if point.service_s is not None and (service is None or point.start_s >= service[0]):
            service = point.start_s, point.service_s
    counts = {
        slot: requests * SLOT_S / heard_s
        for slot, (heard_s, requests) in heard.items()
        if last - LONGEST_DAYS * DAY <= slot < last and heard_s >= SHORTEST_S
    }
    return counts, service[1] if service is not None else None


def _filled(counts: dict[int, float], last: int) -> Array:
    """A value for each slot up to the last one: where nobody counted, that of such times."""
    first = min(counts)
    series = np.full(last - first, np.nan)
    series[[slot - first for slot in counts]] = list(counts.values())
    places = np.arange(len(series))
    for period in (WEEK, DAY, 1):
        missing = np.isnan(series)
        for phase in np.unique(places[missing] % period):
            same = series[phase::period]
            known = same[~np.isnan(same)]
            if len(known):
                same[np.isnan(same)] = np.median(known)
    return series


def _upper(values: Array, percentile: int) -> Array:
    """The bound that the next slots stay below so often."""
    errors = _errors(values, min(WEEK, len(values) // 3 - 1))
    seasons, rest = _split(values)
    level = _levels(rest)[-1]
    ahead = np.arange(len(values), len(values) + AHEAD)
    margin = np.array([np.quantile(errors[phase], percentile / 100) for phase in range(DAY)])
    upper: Array = level + _extended(seasons, ahead) + margin[ahead % DAY]
    return upper


def _errors(values: Array, held_out: int) -> list[Array]:
    """By time of day: how far forecasts of the slots held out were off."""
    known = len(values) - held_out
    seasons, _ = _split(values[:known])
    places = np.arange(len(values))
    rest = values - _extended(seasons, places)
    off = rest[known:] - _levels(rest)[known - HORIZON : -HORIZON]
    phases = places[known:] % DAY
    found = []
    for phase in range(DAY):
        distance = np.abs((phases - phase + DAY // 2) % DAY - DAY // 2)
        found.append(off[distance <= NEARBY])
    return found


def _split(values: Array) -> tuple[Sequence[Array], Array]:
    """The seasons in a series, and what is left without them."""
    periods = [period for period in (DAY, WEEK) if len(values) > 2 * period]
    smooth = {"seasonal_deg": 0, "trend_jump": JUMP, "low_pass_jump": JUMP}
    fit = MSTL(values, periods=periods, stl_kwargs=smooth).fit()
    seasonal = fit.seasonal.reshape(len(values), -1)
    seasons = [_smooth(seasonal[-period:, i]) for i, period in enumerate(periods)]
    # The season of the place p of the series is that of its last cycle, counted from its end.
    aligned = [np.roll(one, len(values) % len(one)) for one in seasons]
    return aligned, values - seasonal.sum(axis=1)


def _smooth(season: Array) -> Array:
    """A season without the noise of the few cycles it was learned from, as far as may be."""
    total: Array = np.sum([np.roll(season, by) for by in range(-SMOOTH, SMOOTH + 1)], axis=0)
    return total / (2 * SMOOTH + 1)


def _extended(seasons: Sequence[Array], places: npt.NDArray[np.int_]) -> Array:
    """The sum of seasons at some places of the series, those beyond its end too."""
    total: Array = np.sum([season[places % len(season)] for season in seasons], axis=0)
    return total


def _levels(rest: Array) -> Array:
    """The level after each slot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an optimum that was not found exactly
        fit = SimpleExpSmoothing(rest, initialization_method="estimated").fit()
    levels: Array = fit.level
    return levels
