"""A worker's metrics, built from its tally at each scrape. Ring: adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from mesh import metrics
from mesh.figures import GpuFigures
from mesh.subjects import Lane
from mesh.tally import Histogram
from workers.beat import Heart
from workers.instance import Instance
from workers.tally import WorkerTally

# `mesh_instance` and not `instance`, which is Prometheus's own name for where it scraped.
LABELS: Final = ("endpoint", "deployment", "mesh_instance", "generation")
GPU_LABELS: Final = (*LABELS, "gpu", "gpu_name")


class WorkerCollector(Collector):
    """Reads the numbers of one instance when Prometheus asks."""

    def __init__(
        self,
        instance: Instance,
        tally: WorkerTally,
        heart: Heart,
        backlog: Callable[[], Mapping[Lane, int]],
    ) -> None:
        address = instance.address
        self._values = [*address, str(instance.record.generation)]
        self._slots = instance.record.spec.slots
        self._bus = instance.bus
        self._tally = tally
        self._heart = heart
        self._backlog = backlog

    def collect(self) -> Iterable[Metric]:
        """Return every metric of the worker."""
        yield self._outcomes()
        yield self._histogram(
            "mesh_worker_queued_seconds",
            "Time from the broker's timestamp of a request to its start in a slot",
            self._tally.queued,
        )
        yield self._histogram(
            "mesh_worker_run_seconds", "Time of run() as the runner saw it", self._tally.run
        )
        heartbeat = self._heart.last
        yield self._gauge("mesh_worker_ready", "1 while ready", float(self._heart.is_ready))
        yield self._gauge("mesh_worker_slots", "Requests run at once", self._slots)
        yield self._gauge("mesh_worker_in_flight", "Requests running", heartbeat.in_flight)
        yield self._gauge("mesh_worker_held", "Requests taken from the queue", heartbeat.held)
        yield self._gauge(
            "mesh_worker_cpu_cores", "CPU the instance uses", heartbeat.cpu_percent / 100
        )
        yield self._gauge(
            "mesh_worker_memory_bytes", "Resident memory of the instance", heartbeat.memory_bytes
        )
        yield self._backlogs()
        if heartbeat.gpu is not None:
            yield from self._device(heartbeat.gpu)
        yield self._redelivered()
        yield metrics.broker_connected(is_connected=self._bus.is_connected)

    def _device(self, gpu: GpuFigures) -> Iterable[Metric]:
        """How busy the instance's GPU is, all processes on it together."""
        figures: dict[str, float] = {
            "memory_bytes": gpu.memory_bytes,
            "memory_total_bytes": gpu.memory_total_bytes,
        }
        texts = {"memory_bytes": "Memory in use on the GPU", "memory_total_bytes": "Memory it has"}
        if gpu.percent is not None:
            figures["utilization_ratio"] = gpu.percent / 100
            texts["utilization_ratio"] = "Share of the last moments in which the GPU worked"
        for name, value in figures.items():
            family = GaugeMetricFamily(f"mesh_gpu_{name}", texts[name], labels=GPU_LABELS)
            family.add_metric([*self._values, gpu.uuid, gpu.name], value)
            yield family

    def _outcomes(self) -> Metric:
        family = CounterMetricFamily(
            "mesh_worker_requests", "Requests by how they ended", labels=[*LABELS, "outcome"]
        )
        for outcome, count in self._tally.outcomes.items():
            family.add_metric([*self._values, outcome], count)
        return family

    def _backlogs(self) -> Metric:
        family = GaugeMetricFamily(
            "mesh_worker_backlog",
            "Messages that waited in a lane when one was last delivered",
            labels=[*LABELS, "lane"],
        )
        for lane, count in self._backlog().items():
            family.add_metric([*self._values, lane], count)
        return family

    def _redelivered(self) -> Metric:
        family = CounterMetricFamily(
            "mesh_worker_redelivered", "Requests delivered that had been before", labels=LABELS
        )
        family.add_metric(self._values, self._tally.redelivered)
        return family

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, text, labels=LABELS)
        family.add_metric(self._values, value)
        return family

    def _histogram(self, name: str, text: str, histogram: Histogram) -> Metric:
        family = HistogramMetricFamily(name, text, labels=LABELS)
        family.add_metric(self._values, histogram.cumulative(), histogram.total)
        return family
