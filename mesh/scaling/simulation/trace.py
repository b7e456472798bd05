"""A demand trace: how many requests a second come, step by step. Ring: values."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from mesh.errors import SpecError

COLUMNS: Final = ("at_s", "requests_per_s")
MOST_REQUESTS: Final = 20_000_000
MOST_S: Final = 366 * 86_400.0
MOST_PER_S: Final = 1e6


class Step(NamedTuple):
    """From `at_s` on, requests come at this mean rate."""

    at_s: float
    requests_per_s: float


class Trace(msgspec.Struct, frozen=True):
    """Steps from 0 to `end_s`, and what they are of."""

    name: str
    steps: tuple[Step, ...]
    end_s: float
    about: str = ""

    @property
    def requests(self) -> float:
        """How many requests come, on average."""
        return sum((end_s - step.at_s) * step.requests_per_s for step, end_s in self._spans())

    @property
    def peak_per_s(self) -> float:
        """The highest rate."""
        return max(step.requests_per_s for step in self.steps)

    def arrivals(self, rng: random.Random) -> Iterator[float]:
        """Yield when requests come: a Poisson process within each step."""
        for step, end_s in self._spans():
            if not step.requests_per_s:
                continue
            at_s = step.at_s
            while (at_s := at_s + rng.expovariate(step.requests_per_s)) < end_s:
                yield at_s

    def part(
        self, begin_s: float, length_s: float, *, speed: float = 1.0, share: float = 1.0
    ) -> Trace:
        """Return `length_s` seconds of it from `begin_s` on.

        Args:
            begin_s: where it begins.
            length_s: how long it is, as it stands.
            speed: how many times as fast it is gone through; rates stay.
            share: of the rates.
        """
        end_s = min(self.end_s, begin_s + length_s)
        steps = tuple(
            Step(max(0.0, step.at_s - begin_s) / speed, share * step.requests_per_s)
            for step, until_s in self._spans()
            if until_s > begin_s and step.at_s < end_s
        )
        return Trace(self.name, steps, (end_s - begin_s) / speed, self.about)

    def _spans(self) -> Iterator[tuple[Step, float]]:
        ends = (*(step.at_s for step in self.steps[1:]), self.end_s)
        return zip(self.steps, ends, strict=True)


def read_trace(text: str, name: str, source: str) -> Trace:
    """Read a trace; the last step lasts as long as the one before it.

    Args:
        text: CSV with the columns `at_s` and `requests_per_s`; lines with `#` are remarks.
        name: what the trace is called.
        source: what the text is called in messages, such as its file name.

    Raises:
        SpecError: it is not such a table; names line, column and value.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    remarks = [line.lstrip("# ").rstrip() for _, line in lines if line.startswith("#")]
    rows = [(number, line) for number, line in lines if not line.startswith("#")]
    if not rows:
        raise SpecError(f"{source}: must have a header {','.join(COLUMNS)} and two rows at least")
    order = _order(rows[0], source)
    steps: list[Step] = []
    for row in rows[1:]:
        steps.append(_step(row, order, source, steps[-1].at_s if steps else None))
    if len(steps) < 2:
        raise SpecError(f"{source}: must have two rows at least, has {len(steps)}")
    end_s = 2 * steps[-1].at_s - steps[-2].at_s
    trace = Trace(name, tuple(steps), end_s, remarks[0] if remarks else "")
    if trace.requests > MOST_REQUESTS:
        raise SpecError(
            f"{source}: asks for {trace.requests:.0f} requests; "
            f"at most {MOST_REQUESTS} can be simulated"
        )
    return trace


def _cells(line: str, place: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], strict=True))]
    except csv.Error as exc:
        raise SpecError(f"{place}: is not CSV: {exc}") from exc


def _order(row: tuple[int, str], source: str) -> list[str]:
    place = f"{source}:{row[0]}"
    names = _cells(row[1], place)
    if sorted(names) != sorted(COLUMNS):
        found = ",".join(names)
        raise SpecError(f"{place}: {found!r}: the columns must be {' and '.join(COLUMNS)}")
    return names


def _step(row: tuple[int, str], order: list[str], source: str, last_s: float | None) -> Step:
    place = f"{source}:{row[0]}"
    cells = _cells(row[1], place)
    if len(cells) != len(order):
        raise SpecError(f"{place}: {row[1]!r}: must have {len(order)} columns, has {len(cells)}")
    values = dict(zip(order, cells, strict=True))
    at_s = _number(values, "at_s", place, MOST_S)
    if last_s is None and at_s:
        raise SpecError(f"{place}: at_s: {values['at_s']!r}: the first row must be at 0")
    if last_s is not None and at_s <= last_s:
        rule = f"must be later than the row before it, {last_s:g}"
        raise SpecError(f"{place}: at_s: {values['at_s']!r}: {rule}")
    return Step(at_s, _number(values, "requests_per_s", place, MOST_PER_S))


def _number(values: dict[str, str], column: str, place: str, most: float) -> float:
    text = values[column]
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= most:
        raise SpecError(f"{place}: {column}: {text!r}: must be a number from 0 to {most:g}")
    return number
