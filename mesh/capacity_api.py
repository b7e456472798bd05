"""What the verbs of instance types and quota answer. Ring: values."""

from __future__ import annotations

import msgspec


class InstanceTypeView(msgspec.Struct, frozen=True, kw_only=True):
    """An instance type. Verb: instance_type.list.

    `short` says what this machine has less than it, empty if nothing; `price_per_hour` is null if
    it has no price.
    """

    name: str
    family: str
    cores: float
    memory_gib: float
    gpus: float
    gpu_memory_gib: float
    price_per_hour: float | None
    exempt: bool
    short: str = ""
