"""What an endpoint must hold beyond the types of its keys. Ring: values.

The YAML loader and the management service apply the same rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from mesh.names import NAME_RULE, is_name
from mesh.spec.endpoint import EndpointSpec
from mesh.spec.violation import Violation

MAX_DEPLOYMENTS: Final = 20
MAX_MIRROR_PERCENT: Final = 50


def endpoint_violations(
    spec: EndpointSpec, deployments: Collection[str] | None = None
) -> list[Violation]:
    """Return every rule that an endpoint breaks.

    Args:
        spec: the endpoint.
        deployments: names of the deployments it has; None if that is not known here.
    """
    return [
        *_naming(spec),
        *_access(spec),
        *traffic_violations(spec.traffic),
        *_mirror(spec),
        *_unknown_names(spec, deployments),
    ]


def traffic_violations(traffic: dict[str, int]) -> list[Violation]:
    """Return what is wrong with a split on its own."""
    broken = [
        Violation(("traffic", name), percent, f"{name!r} is not a deployment name: {NAME_RULE}")
        for name, percent in traffic.items()
        if not is_name(name)
    ]
    total = sum(traffic.values())
    if total not in (0, 100):
        broken.append(Violation(("traffic",), total, "must sum to 0 or 100"))
    if len(traffic) > MAX_DEPLOYMENTS:
        rule = f"an endpoint has at most {MAX_DEPLOYMENTS} deployments"
        broken.append(Violation(("traffic",), len(traffic), rule))
    return broken


def deployment_limit_violations(existing: Collection[str], name: str) -> list[Violation]:
    """Return what keeps an endpoint with `existing` deployments from having `name` as well."""
    if name in existing or len(existing) < MAX_DEPLOYMENTS:
        return []
    rule = f"an endpoint has at most {MAX_DEPLOYMENTS} deployments"
    return [Violation(("name",), name, rule)]


def _naming(spec: EndpointSpec) -> Iterator[Violation]:
    if not is_name(spec.name):
        yield Violation(("name",), spec.name, f"must be {NAME_RULE}")


def _access(spec: EndpointSpec) -> Iterator[Violation]:
    if spec.auth_mode != "key":
        yield Violation(("auth_mode",), spec.auth_mode, "only key is supported yet")
    if spec.kind == "managed" and spec.compute is not None:
        yield Violation(("compute",), spec.compute, "only kubernetes endpoints have it")
    if spec.kind == "kubernetes" and spec.public_network_access == "disabled":
        rule = "only managed endpoints have it"
        yield Violation(("public_network_access",), spec.public_network_access, rule)


def _mirror(spec: EndpointSpec) -> Iterator[Violation]:
    mirror = spec.mirror
    if len(mirror) > 1:
        rule = "at most one deployment gets mirrored traffic"
        yield Violation(("mirror_traffic",), ", ".join(mirror), rule)
    if mirror and spec.kind == "kubernetes":
        rule = "kubernetes endpoints do not mirror"
        yield Violation(("mirror_traffic",), ", ".join(mirror), rule)
    for name, percent in spec.mirror_traffic.items():
        path = ("mirror_traffic", name)
        if not is_name(name):
            yield Violation(path, percent, f"{name!r} is not a deployment name: {NAME_RULE}")
        if percent > MAX_MIRROR_PERCENT:
            yield Violation(path, percent, f"must be at most {MAX_MIRROR_PERCENT}")
        if name in mirror and name in spec.live:
            rule = "a deployment gets live or mirrored traffic, not both"
            yield Violation(path, percent, rule)


def _unknown_names(spec: EndpointSpec, deployments: Collection[str] | None) -> Iterator[Violation]:
    if deployments is None:
        return
    known = ", ".join(sorted(deployments)) or "none"
    for key, split in (("traffic", spec.live), ("mirror_traffic", spec.mirror)):
        for name in split:
            if name not in deployments:
                rule = f"{spec.name} has no deployment {name!r}; it has: {known}"
                yield Violation((key, name), split[name], rule)
