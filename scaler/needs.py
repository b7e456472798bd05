"""What an instance of a deployment needs, from its type and its resources. Ring: decisions."""

from __future__ import annotations

from typing import Final

from mesh.instance_types import InstanceType
from mesh.settings import Limits
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.quantity import quantity
from mesh.spec.runtime import ResourceAmounts
from scaler.launchers import Need

NONE: Final = ResourceAmounts()


def need_of(spec: DeploymentSpec, kind: InstanceType | None, limits: Limits) -> Need:
    """Return what an instance is given.

    Args:
        spec: its `resources` win over its type, key by key.
        kind: its type; None gives the machine's share.
        limits: `none` leaves all but the GPUs to the machine.
    """
    resources = spec.resources
    asked = (resources.requests if resources else None) or NONE
    most = (resources.limits if resources else None) or NONE
    gpu = _amount(most.gpu) or _amount(asked.gpu)
    gpus, gpu_bytes = (gpu, 0) if gpu else (kind.gpus, kind.gpu_memory_bytes) if kind else (0.0, 0)
    if limits == "none":
        return Need(device=spec.mesh.device, gpus=gpus, gpu_memory_bytes=gpu_bytes)
    own_cores, own_bytes = (kind.cores, kind.memory_bytes) if kind else (0.0, 0)
    cores = _amount(most.cpu) or _limit(own_cores, _amount(asked.cpu))
    memory = _amount(most.memory) or _limit(own_bytes, _amount(asked.memory))
    return Need(
        device=spec.mesh.device,
        cores=cores,
        memory_bytes=int(memory),
        reserved_cores=_amount(asked.cpu) or cores,
        reserved_memory_bytes=int(_amount(asked.memory) or memory),
        gpus=gpus,
        gpu_memory_bytes=gpu_bytes,
        threads=max(1, int(cores / spec.worker_count)) if cores else 0,
    )


def _limit(own: float, asked: float) -> float:
    """Return the type's limit, not below what is set aside; without one there is none."""
    return max(own, asked) if own else 0.0


def _amount(text: str | None) -> float:
    return (quantity(text) if text is not None else None) or 0.0
