"""The scaler's metrics, built at each scrape from a picture the loop has put up. Ring: adapter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh import metrics
from mesh.instances import INSTANCE_STATES

LABELS: Final = ("endpoint", "deployment")


class DeploymentPicture(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment in numbers. `instances` by state; CPU in percent of one core, of all of them.

    `wanted` instances are between `least` and `most`, and cost `price_per_hour` together; `foreign`
    ones are not this scaler's own. `queries`: the values it scales by; `forecast_per_s`: requests a
    second that are expected, None if nothing is.
    """

    endpoint: str
    deployment: str
    lanes: dict[str, int]
    wanted: int
    least: int
    most: int
    instances: Mapping[str, int]
    cpu_percent: float
    memory_bytes: int
    starts: int
    crashes: int
    price_per_hour: float
    foreign: int = 0
    queries: Mapping[str, float] = {}
    query_failures: Mapping[str, int] = {}
    forecast_per_s: float | None = None


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the metrics tell. `leads_since_s` is Unix time, 0 while it does not."""

    deployments: tuple[DeploymentPicture, ...] = ()
    gateways: int = 0
    verbs: Mapping[tuple[str, str], int] = {}
    scale_changes: Mapping[tuple[str, str, str], int] = {}
    rollouts: Mapping[tuple[str, str, str], int] = {}
    leading: bool = False
    leads_since_s: float = 0.0
    spares: int = 0
    spare_starts: int = 0


class ScalerCollector(Collector):
    """Tells the last picture. Scrapes come from another thread: a picture is never changed."""

    def __init__(self) -> None:
        self.picture = Picture()
        self.is_connected: Callable[[], bool] = lambda: False

    def collect(self) -> Iterable[Metric]:
        """Return every metric of the scaler."""
        picture = self.picture
        yield _depths(picture)
        yield _instances(picture)
        for name, text, values in (
            ("mesh_instances_wanted", "Instances asked for", [d.wanted for d in _all(picture)]),
            ("mesh_instances_min", "Fewest instances", [d.least for d in _all(picture)]),
            ("mesh_instances_max", "Most instances", [d.most for d in _all(picture)]),
            (
                "mesh_deployment_cpu_cores",
                "CPU all instances use",
                [d.cpu_percent / 100 for d in _all(picture)],
            ),
            (
                "mesh_deployment_memory_bytes",
                "Resident memory of all instances",
                [d.memory_bytes for d in _all(picture)],
            ),
            (
                "mesh_deployment_price_per_hour",
                "What the instances asked for cost an hour, by their type",
                [d.price_per_hour for d in _all(picture)],
            ),
        ):
            family = GaugeMetricFamily(name, text, labels=LABELS)
            yield _per_deployment(family, picture, values)
        for name, text, values in (
            ("mesh_instance_starts", "Instances started", [d.starts for d in _all(picture)]),
            ("mesh_instance_crashes", "Instances that crashed", [d.crashes for d in _all(picture)]),
        ):
            counter = CounterMetricFamily(name, text, labels=LABELS)
            yield _per_deployment(counter, picture, values)
        yield GaugeMetricFamily("mesh_gateways", "Gateways that live", picture.gateways)
        yield _foreign(picture)
        yield from _leader(picture)
        yield _scale_changes(picture)
        yield from _sources(picture)
        yield _rollouts(picture)
        yield _verbs(picture)
        yield metrics.broker_connected(is_connected=self.is_connected())


def count_states(states: Iterable[str]) -> Counter[str]:
    """Count instances by state, those states included that none is in."""
    counts: Counter[str] = Counter(dict.fromkeys(INSTANCE_STATES, 0))
    counts.update(states)
    return counts


def _all(picture: Picture) -> tuple[DeploymentPicture, ...]:
    return picture.deployments


def _per_deployment(
    family: GaugeMetricFamily | CounterMetricFamily, picture: Picture, values: Iterable[float]
) -> Metric:
    for deployment, value in zip(picture.deployments, values, strict=True):
        family.add_metric([deployment.endpoint, deployment.deployment], value)
    return family


def _foreign(picture: Picture) -> Metric:
    text = "Instances started by hand, or by a scaler elsewhere"
    family = GaugeMetricFamily("mesh_instances_foreign", text, labels=LABELS)
    return _per_deployment(family, picture, [d.foreign for d in _all(picture)])


def _leader(picture: Picture) -> Iterable[Metric]:
    """What there is once per scaler."""
    yield GaugeMetricFamily("mesh_scaler_leading", "1 while this one leads", picture.leading)
    yield GaugeMetricFamily(
        "mesh_scaler_leading_since_seconds",
        "Unix time since when this one leads, 0 while it does not",
        picture.leads_since_s,
    )
    yield GaugeMetricFamily(
        "mesh_spares", "Worker programs that wait to become instances", picture.spares
    )
    yield CounterMetricFamily(
        "mesh_spare_starts", "Instances started from a spare", picture.spare_starts
    )


def _depths(picture: Picture) -> Metric:
    family = GaugeMetricFamily(
        "mesh_queue_depth", "Requests queued or being worked on", labels=[*LABELS, "lane"]
    )
    for deployment in picture.deployments:
        for lane, depth in deployment.lanes.items():
            family.add_metric([deployment.endpoint, deployment.deployment, lane], depth)
    return family


def _instances(picture: Picture) -> Metric:
    family = GaugeMetricFamily(
        "mesh_instances", "Instances that tell of themselves, by state", labels=[*LABELS, "state"]
    )
    for deployment in picture.deployments:
        for state, count in deployment.instances.items():
            family.add_metric([deployment.endpoint, deployment.deployment, state], count)
    return family


def _scale_changes(picture: Picture) -> Metric:
    family = CounterMetricFamily(
        "mesh_scale_changes",
        "Changes of the number of instances by load",
        labels=[*LABELS, "direction"],
    )
    for labels, count in picture.scale_changes.items():
        family.add_metric(labels, count)
    return family


def _sources(picture: Picture) -> Iterable[Metric]:
    """What deployments scale by beside queues and heartbeats."""
    values = GaugeMetricFamily(
        "mesh_scale_query_value", "What Prometheus said to a query", labels=[*LABELS, "query"]
    )
    failures = CounterMetricFamily(
        "mesh_scale_query_failures",
        "Times that a query had no value",
        labels=[*LABELS, "query"],
    )
    expected = GaugeMetricFamily(
        "mesh_forecast_requests_per_second", "Requests a second that are expected", labels=LABELS
    )
    for deployment in picture.deployments:
        labels = [deployment.endpoint, deployment.deployment]
        for query, value in deployment.queries.items():
            values.add_metric([*labels, query], value)
        for query, count in deployment.query_failures.items():
            failures.add_metric([*labels, query], count)
        if deployment.forecast_per_s is not None:
            expected.add_metric(labels, deployment.forecast_per_s)
    yield from (values, failures, expected)


def _rollouts(picture: Picture) -> Metric:
    family = CounterMetricFamily(
        "mesh_rollouts",
        "Generations that took over, failed or were overtaken",
        labels=[*LABELS, "outcome"],
    )
    for labels, count in picture.rollouts.items():
        family.add_metric(labels, count)
    return family


def _verbs(picture: Picture) -> Metric:
    family = CounterMetricFamily(
        "mesh_management_requests", "Management requests answered", labels=["verb", "code"]
    )
    for (verb, code), count in picture.verbs.items():
        family.add_metric([verb, code], count)
    return family
