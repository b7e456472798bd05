"""What a query of Prometheus asks for. Ring: decisions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from mesh.scaling.observation import Observation
from mesh.scaling.policy import Asked
from mesh.spec.queries import QuerySettings

EXACT: Final = 9  # digits: 1.1 is eleven times 0.1, whatever floats say
MOST: Final = 1_000_000


class Query:
    """One instance for so much of a value, as KEDA's scaler for Prometheus has it."""

    def __init__(self, query: QuerySettings, hold_s: float) -> None:
        self._query = query
        self._hold_s = hold_s

    def __repr__(self) -> str:
        return f"<Query {self._query.name}>"

    def ask(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """Ask for what the value needs; for as many as now while there is none."""
        del now_s
        name, value = self._query.name, seen.queries.get(self._query.name)
        target = f"query:{name}"
        if value is None:
            yield Asked(target, seen.current, f"query {name} has no value,", self._hold_s)
        elif value > self._query.activation:
            ratio = min(value / self._query.target, MOST)
            why = f"query {name} is {value:g}, {self._query.target:g} per instance,"
            yield Asked(target, math.ceil(round(ratio, EXACT)), why, self._hold_s)
