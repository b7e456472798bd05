"""Metrics minute by minute, as far back as rules look. Ring: decisions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from mesh.scaling.observation import Observation
from mesh.scaling.signals import SIGNALS
from mesh.scaling.trigger import Trigger
from mesh.spec.profiles import MetricName, Statistic

MINUTE_S: Final = 60.0


class Cell:
    """What was seen of a metric in one minute: of the mean instance, and of all together."""

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0.0
        self.sum_of_all = 0.0
        self.least = math.inf
        self.most = -math.inf

    def __repr__(self) -> str:
        return f"<Cell count={self.count} sum={self.sum:g}>"

    def add(self, value: float, instances: int) -> None:
        """Add one look."""
        self.count += 1
        self.sum += value
        self.sum_of_all += value * instances
        self.least = min(self.least, value)
        self.most = max(self.most, value)


class Series:
    """The last minutes of every metric that some rule reads, and since when somebody looks."""

    def __init__(self, spans: Mapping[MetricName, int]) -> None:
        self._spans = spans
        self._cells: dict[MetricName, dict[int, Cell]] = {name: {} for name in spans}
        self._since_s: float | None = None
        self._looked_s = -math.inf

    def __repr__(self) -> str:
        return f"<Series {', '.join(self._spans)} since={self._since_s}>"

    def record(self, seen: Observation, now_s: float) -> None:
        """Add an observation; a minute that nobody looked at begins the series anew."""
        if now_s - self._looked_s > MINUTE_S:
            self._since_s = now_s
            for cells in self._cells.values():
                cells.clear()
        self._looked_s = now_s
        minute = int(now_s // MINUTE_S)
        for name, cells in self._cells.items():
            signal = SIGNALS[name]
            value = signal.read(seen)
            if value is None:
                continue
            if minute not in cells:
                cells[minute] = Cell()
                self._expire(cells, minute - self._spans[name])
            cells[minute].add(value, seen.working if signal.per_instance else 1)

    def minutes(self, now_s: float) -> int:
        """How many whole minutes were looked at until now."""
        if self._since_s is None:
            return 0
        return max(0, int(now_s // MINUTE_S) - math.ceil(self._since_s / MINUTE_S))

    def samples(self, trigger: Trigger, now_s: float) -> list[float]:
        """The samples of a rule's window, oldest first; a grain in which nothing was seen has none.

        The window ends with the last whole minute.
        """
        cells, end = self._cells[trigger.metric], int(now_s // MINUTE_S)
        found = []
        for start in range(end - trigger.window, end, trigger.grain):
            grain = [cells[at] for at in range(start, start + trigger.grain) if at in cells]
            if grain:
                found.append(_sample(grain, trigger.statistic))
        return found

    @staticmethod
    def _expire(cells: dict[int, Cell], before: int) -> None:
        for minute in [minute for minute in cells if minute < before]:
            del cells[minute]


def _sample(cells: list[Cell], statistic: Statistic) -> float:
    if statistic == "Min":
        return min(cell.least for cell in cells)
    if statistic == "Max":
        return max(cell.most for cell in cells)
    count = sum(cell.count for cell in cells)
    if statistic == "Sum":
        return sum(cell.sum_of_all for cell in cells) / count
    return sum(cell.sum for cell in cells) / count
