"""What a dashboard is made of, as values: a chart shows queries, rows hold charts."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Query(NamedTuple):
    """A PromQL expression and what its series are called in the legend."""

    expr: str
    legend: str


class Chart(NamedTuple):
    """One panel.

    `unit` is Grafana's name of it; yellow begins at `warn` and red at `bad`; where low values are
    the bad ones, all below `good` is red. `words` replaces values by words; `each` repeats the
    panel for every value of a variable, two side by side: give it the whole width.
    """

    title: str
    text: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Literal["lines", "stack", "number"] = "lines"
    width: int = 8
    warn: float | None = None
    bad: float | None = None
    good: float | None = None
    words: tuple[tuple[str, str, str], ...] = ()
    top: float | None = None
    no_value: str = ""
    each: str = ""


class Row(NamedTuple):
    """Charts under a headline."""

    title: str
    charts: tuple[Chart, ...]


class Variable(NamedTuple):
    """Something to choose at the top: its values are those of a label."""

    name: str
    query: str
    text: str
    many: bool = True


class Board(NamedTuple):
    """A dashboard."""

    uid: str
    title: str
    text: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]


def rate(metric: str, matchers: str = "") -> str:
    """Return how fast a counter grows, over what Grafana holds to be enough samples."""
    chosen = f"{metric}{{{matchers}}}" if matchers else metric
    return f"rate({chosen}[$__rate_interval])"


def quantile(part: float, metric: str, matchers: str = "", by: str = "le") -> str:
    """Return a quantile of a histogram."""
    return f"histogram_quantile({part:g}, sum by ({by}) ({rate(metric + '_bucket', matchers)}))"
