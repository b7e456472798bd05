"""Write `configs/traces`: three days in the life of a model, as requests a second.

python -m scripts.traces

No public trace is both free to pass on and fine enough for decisions in seconds, so these are made
up after what was published about such traces; the sources stand in `configs/traces/README.md`. The
same seed writes the same bytes.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "configs" / "traces"
SEED: Final = 20260201

Rates = Iterable[tuple[float, float]]


def office(rng: random.Random) -> Rates:
    """A day with a morning and an afternoon peak, twelve times as fast: two hours."""
    step_s, speed = 10, 12
    noise = 0.0
    for step in range(7200 // step_s):
        hour = step * step_s * speed / 3600
        shape = (
            2.0
            + 38.0 * _hump(hour, 10.3, 1.5)
            + 46.0 * _hump(hour, 14.6, 1.7)
            + 9.0 * _hump(hour, 20.2, 1.6)
        )
        noise = 0.8 * noise + rng.gauss(0.0, 0.06)
        spike = 1.5 if rng.random() < 0.01 else 1.0
        yield step * step_s, shape * math.exp(noise) * spike


def bursts(rng: random.Random) -> Rates:
    """Next to nothing, or nothing, for minutes; then a crowd within seconds: one hour."""
    step_s, length_s = 2, 3600
    crowds = list(_crowds(rng, length_s))
    is_idle, left_s = False, 120.0
    for step in range(length_s // step_s):
        at_s = step * step_s
        left_s -= step_s
        if left_s <= 0:
            is_idle, left_s = not is_idle, rng.expovariate(1 / 120)
        base = 0.0 if is_idle else 1.0 + rng.random()
        yield at_s, base + sum(crowd(at_s) for crowd in crowds)


def growth(rng: random.Random) -> Rates:
    """Ten days of slow growth with a batch job each night, 120 times as fast: two hours."""
    step_s, day_s, days = 5, 720, 10
    noise = 0.0
    batches = [rng.uniform(22.0, 40.0) for _ in range(days)]
    lengths = [rng.uniform(60.0, 120.0) for _ in range(days)]
    for step in range(days * day_s // step_s):
        at_s = step * step_s
        day, second = divmod(at_s, day_s)
        grown = 8.0 + 18.0 * at_s / (days * day_s)
        wave = 1.0 - 0.35 * math.cos(2 * math.pi * second / day_s)
        noise = 0.7 * noise + rng.gauss(0.0, 0.05)
        batch = batches[day] if 60 <= second < 60 + lengths[day] else 0.0
        timer = 6.0 if second % 120 < 10 else 0.0
        yield at_s, grown * wave * math.exp(noise) + batch + timer


def _hump(hour: float, middle: float, width: float) -> float:
    return math.exp(-(((hour - middle) / width) ** 2) / 2)


def _crowds(rng: random.Random, length_s: int) -> Iterable[Callable[[float], float]]:
    """Crowds that rise for seconds, stay for a while and fade, at random times."""
    at_s = 150.0
    while at_s < length_s - 300:
        yield _crowd(
            at_s,
            peak=min(80.0, 8.0 * rng.paretovariate(1.2)),
            rise_s=rng.uniform(4, 30),
            stay_s=rng.uniform(10, 60),
            fade_s=rng.uniform(15, 60),
        )
        at_s += 120 + rng.expovariate(1 / 180)


def _crowd(
    begin_s: float, *, peak: float, rise_s: float, stay_s: float, fade_s: float
) -> Callable[[float], float]:
    def rate(at_s: float) -> float:
        since_s = at_s - begin_s
        if since_s < 0:
            return 0.0
        if since_s < rise_s:
            return peak * since_s / rise_s
        faded = peak * math.exp(-max(0.0, since_s - rise_s - stay_s) / fade_s)
        return faded if faded >= 0.05 else 0.0

    return rate


ABOUT: Final[dict[Callable[[random.Random], Rates], str]] = {
    office: "An office day, twelve times as fast: two peaks, a dip at noon, noise.",
    bursts: "Crowds that come within seconds, over next to nothing or nothing at all.",
    growth: "Ten days of steady growth, 120 times as fast, with a batch job every night.",
}


def text_of(make: Callable[[random.Random], Rates]) -> str:
    """Write one trace as the file that holds it."""
    rows = [f"{at_s:g},{rate:.2f}" for at_s, rate in make(random.Random(SEED))]
    return "\n".join([f"# {ABOUT[make]}", "at_s,requests_per_s", *rows]) + "\n"


def main() -> None:
    """Write all of them."""
    for make in ABOUT:
        (FOLDER / f"{make.__name__}.csv").write_text(text_of(make), encoding="utf-8")


if __name__ == "__main__":
    main()
