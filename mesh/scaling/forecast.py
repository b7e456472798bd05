"""The predictive floor: what is expected by the time a new instance is ready. Ring: decisions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from mesh.scaling.observation import Observation
from mesh.scaling.policy import Asked

STEADY_S: Final = 900.0  # what is expected of one five minutes and of the next differs by chance


class Forecast:
    """Asks for what the rate needs that earlier weeks let expect, to a utilization."""

    def __init__(self, percent: int, hold_s: float) -> None:
        self._percent = percent
        self._hold_s = max(hold_s, STEADY_S)

    def __repr__(self) -> str:
        return f"<Forecast {self._percent}%>"

    def ask(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """Ask for that; nothing while the rate or the service time is not known."""
        del now_s
        expected_per_s, service_s = seen.forecast_per_s, seen.service_s
        if not expected_per_s or service_s is None:
            return
        count = math.ceil(expected_per_s * service_s * 100 / (seen.slots * self._percent))
        why = f"{expected_per_s:.3g} requests/s expected, {service_s * 1000:.0f} ms each,"
        yield Asked("forecast", count, why, self._hold_s)
