"""Whom Prometheus should scrape, from what everyone tells of themselves. Ring: decisions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from mesh.address import seen_from_afar
from mesh.wire import GatewayHeartbeat, WorkerHeartbeat

METRICS_PATH: Final = "/metrics"


class TargetGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses with labels, as Prometheus's HTTP service discovery wants them."""

    targets: tuple[str, ...]
    labels: dict[str, str]


def targets(
    gateways: Iterable[GatewayHeartbeat],
    workers: Iterable[WorkerHeartbeat],
    scaler_url: str,
    machine: str,
) -> tuple[TargetGroup, ...]:
    """Return a group for each process that listens.

    Args:
        gateways: those that live.
        workers: those that live; one that does not listen yet has no address.
        scaler_url: where the scaler's own metrics are.
        machine: the name of the scaler's machine.
    """
    scaler = _group(scaler_url, machine, job="scaler")
    others = [_of_gateway(said) for said in gateways]
    others += [_of_worker(said) for said in workers if said.metrics_url]
    return (scaler, *sorted(others, key=lambda group: (group.labels["job"], group.targets)))


def _of_gateway(said: GatewayHeartbeat) -> TargetGroup:
    return _group(said.metrics_url or said.url, said.host, job="gateway")


def _of_worker(said: WorkerHeartbeat) -> TargetGroup:
    return _group(
        said.metrics_url,
        said.host,
        job="worker",
        endpoint=said.endpoint,
        deployment=said.deployment,
        mesh_instance=said.instance,
        generation=str(said.generation),
    )


def _group(url: str, machine: str, **labels: str) -> TargetGroup:
    parts = urlsplit(url)
    where = {"__scheme__": parts.scheme, "__metrics_path__": METRICS_PATH}
    return TargetGroup(targets=(seen_from_afar(parts.netloc, machine),), labels=where | labels)
