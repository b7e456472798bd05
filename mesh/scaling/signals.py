"""What a rule's metric is in an observation, by Azure's name for it. Ring: decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from mesh.scaling.observation import Observation
from mesh.spec.profiles import MetricName

Read = Callable[[Observation], float | None]


class Signal(msgspec.Struct, frozen=True):
    """How a metric is read.

    `per_instance`: it is the mean of the instances. `is_total`: it is the load of all of them
    together, the same however many share it.
    """

    read: Read
    per_instance: bool = False
    is_total: bool = False


def _latency(percentile: int) -> Read:
    return lambda seen: _ms(seen.latency_s.get(percentile))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _per_minute(seen: Observation) -> float | None:
    return None if seen.requests_per_s is None else seen.requests_per_s * 60


SIGNALS: Final[dict[MetricName, Signal]] = {
    "CpuUtilizationPercentage": Signal(lambda seen: seen.cpu_percent, per_instance=True),
    "CpuMemoryUtilizationPercentage": Signal(lambda seen: seen.memory_percent, per_instance=True),
    "GpuUtilizationPercentage": Signal(lambda seen: seen.gpu_percent, per_instance=True),
    "GpuMemoryUtilizationPercentage": Signal(
        lambda seen: seen.gpu_memory_percent, per_instance=True
    ),
    "RequestLatency": Signal(lambda seen: _ms(seen.latency_mean_s)),
    "RequestLatency_P50": Signal(_latency(50)),
    "RequestLatency_P90": Signal(_latency(90)),
    "RequestLatency_P95": Signal(_latency(95)),
    "RequestLatency_P99": Signal(_latency(99)),
    "RequestsPerMinute": Signal(_per_minute, is_total=True),
    "QueueDepth": Signal(lambda seen: seen.depth, is_total=True),
    "EstimatedWait": Signal(lambda seen: _ms(seen.wait_s)),
    "InFlight": Signal(lambda seen: seen.in_flight, is_total=True),
}
