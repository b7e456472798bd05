"""What a deployment of a Triton model repository must hold. Ring: values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from mesh.spec.deployment import WORKER_COUNT, DeploymentSpec
from mesh.spec.violation import Violation

ADDRESS: Final = re.compile(r"(grpc://)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")


def triton_violations(spec: DeploymentSpec) -> Iterator[Violation]:
    """Yield every rule about `triton_model` that a deployment breaks."""
    url = spec.mesh.triton.url
    if url is not None and not ADDRESS.fullmatch(url):
        rule = "must be the gRPC address of a Triton server, as grpc://host:8001"
        yield Violation(("mesh", "triton", "url"), url, rule)
    if spec.speaks_v2:
        yield from _meaningless(spec)
    elif url is not None:
        rule = "is for model.type triton_model only"
        yield Violation(("mesh", "triton", "url"), url, rule)


def _meaningless(spec: DeploymentSpec) -> Iterator[Violation]:
    """What is for scoring scripts, or for a server of our own."""
    if spec.code_configuration is not None:
        rule = "must be left out: a triton_model has no scoring script"
        yield Violation(("code_configuration",), msgspec.to_builtins(spec.code_configuration), rule)
    if (count := spec.environment_variables.get(WORKER_COUNT)) is not None:
        rule = "is for scoring scripts; a model's instance_group says how many of it there are"
        yield Violation(("environment_variables", WORKER_COUNT), count, rule)
    if spec.mesh.read_headers:
        rule = "is for scoring scripts: Triton takes no headers"
        yield Violation(("mesh", "read_headers"), value=True, rule=rule)
    if spec.takes_tensors:
        rule = "is for scoring scripts: a triton_model is always given tensors"
        yield Violation(("mesh", "inputs"), spec.mesh.inputs, rule)
    if spec.mesh.triton.url is not None:
        yield from _not_ours(spec)


def _not_ours(spec: DeploymentSpec) -> Iterator[Violation]:
    """What is for a server that the mesh starts."""
    if spec.mesh.python is not None:
        rule = "is for a server that the mesh starts; mesh.triton.url names one that runs"
        yield Violation(("mesh", "python"), spec.mesh.python, rule)
    if spec.mesh.device != "cpu":
        rule = "is for a server that the mesh starts; mesh.triton.url names one that runs"
        yield Violation(("mesh", "device"), spec.mesh.device, rule)
    if spec.environment_variables:
        rule = "are for a server that the mesh starts; mesh.triton.url names one that runs"
        names = ", ".join(spec.environment_variables)
        yield Violation(("environment_variables",), names, rule)
