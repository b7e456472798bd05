"""The policies that a deployment's settings ask for. Ring: decisions."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.scaling.forecast import Forecast
from mesh.scaling.policy import Policy
from mesh.scaling.profiles import Profiles
from mesh.scaling.queries import Query
from mesh.scaling.queue import QueueWait
from mesh.scaling.schedules import Schedules
from mesh.scaling.targets import Demand, Messages, Refusals, Resource, Shadows, Utilization
from mesh.spec.scale import DEFAULT_UTILIZATION, ScaleSettings


def policies_of(scale: ScaleSettings) -> tuple[Policy, ...]:
    """Return a policy for each target that is set, each with a memory of its own."""
    delay_s, percent = scale.delay_s, scale.utilization_percentage
    policies: list[Policy] = [
        Shadows(delay_s),
        Demand(delay_s),
        Refusals(percent or 100, delay_s),
        *_resources(scale),
    ]
    if percent is not None:
        policies.append(Utilization(percent, scale.polling_interval, delay_s))
    if scale.target_messages_per_instance is not None:
        policies.append(Messages(scale.target_messages_per_instance, delay_s))
    if scale.target_wait_ms is not None:
        policies.append(QueueWait(scale.target_wait_ms, scale.wait, scale.scale_in_delay_s))
    if scale.profiles:
        policies.append(Profiles(scale.profiles))
    if scale.schedules:
        policies.append(Schedules(scale.schedules))
    policies += [Query(query, delay_s) for query in scale.queries]
    if scale.forecast is not None and scale.forecast.mode == "enabled":
        policies.append(Forecast(percent or DEFAULT_UTILIZATION, delay_s))
    return tuple(policies)


def _resources(scale: ScaleSettings) -> Iterator[Policy]:
    for target, figure, percent in (
        ("CPU", lambda seen: seen.cpu_percent, scale.target_cpu_percentage),
        ("memory", lambda seen: seen.memory_percent, scale.target_memory_percentage),
        ("GPU", lambda seen: seen.gpu_percent, scale.target_gpu_percentage),
        ("GPU memory", lambda seen: seen.gpu_memory_percent, scale.target_gpu_memory_percentage),
    ):
        if percent is not None:
            yield Resource(target, figure, percent, scale.delay_s)
