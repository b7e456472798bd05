"""The gateway's metrics, read from its plain numbers at each scrape. Ring: adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway.meters import MeterBook, Meters
from gateway.pending import Pending
from mesh import metrics
from mesh.tally import Histogram

LABELS: Final = ("endpoint", "deployment")


class Counts(NamedTuple):
    """Counts that some part of the gateway keeps, by one label."""

    name: str
    text: str
    label: str
    values: Mapping[str, int]

    def family(self) -> Metric:
        """Return them as a metric."""
        family = CounterMetricFamily(self.name, self.text, labels=[self.label])
        for value, count in self.values.items():
            family.add_metric([value], count)
        return family


class GatewayCollector(Collector):
    """Reads the numbers of one gateway when Prometheus asks."""

    def __init__(
        self,
        book: MeterBook,
        pending: Pending,
        connections: Callable[[], int],
        is_connected: Callable[[], bool],
        counts: Sequence[Counts],
    ) -> None:
        self._book = book
        self._pending = pending
        self._connections = connections
        self._counts = counts
        self._is_connected = is_connected

    def collect(self) -> Iterator[Metric]:
        """Return every metric of the gateway."""
        yield self._counter(
            "mesh_gateway_requests", "Requests by the status the client got", "status",
            lambda meters: meters.statuses.items(),
        )  # fmt: skip
        yield self._counter(
            "mesh_gateway_offered", "Requests by what became of them at the door", "outcome",
            lambda meters: meters.offered.items(),
        )  # fmt: skip
        yield self._counter(
            "mesh_gateway_refusals", "Requests that were refused at the door, by why", "reason",
            lambda meters: meters.refusals.items(),
        )  # fmt: skip
        yield self._counter(
            "mesh_gateway_mirrored", "Copies for a mirror deployment by what became of them",
            "outcome", lambda meters: meters.mirrored.items(),
        )  # fmt: skip
        yield self._latency()
        for counts in self._counts:
            yield counts.family()
        late = CounterMetricFamily("mesh_gateway_late_answers", "Answers nobody waited for")
        late.add_metric([], self._pending.late)
        yield late
        yield self._gauge("mesh_gateway_in_flight", "Requests out", len(self._pending.entries))
        yield self._gauge("mesh_gateway_connections", "Open HTTP connections", self._connections())
        yield metrics.broker_connected(is_connected=self._is_connected())

    def _counter(
        self, name: str, text: str, label: str,
        counts: Callable[[Meters], Iterable[tuple[object, int]]],
    ) -> Metric:  # fmt: skip
        family = CounterMetricFamily(name, text, labels=[*LABELS, label])
        for names, meters in self._book.meters.items():
            for value, count in counts(meters):
                family.add_metric([*names, str(value)], count)
        return family

    def _latency(self) -> Metric:
        family = HistogramMetricFamily(
            "mesh_gateway_latency_seconds",
            "Time of requests: in total here, waiting in the queue, running in the model",
            labels=[*LABELS, "part"],
        )
        for names, meters in self._book.meters.items():
            for part in ("total", "queued", "run"):
                histogram: Histogram = getattr(meters, part)
                family.add_metric([*names, part], histogram.cumulative(), histogram.total)
        return family

    @staticmethod
    def _gauge(name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, text)
        family.add_metric([], value)
        return family
