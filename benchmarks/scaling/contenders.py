"""Whose policies are compared: ours and three others, each with its published defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.scaling.kpa import Kpa
from benchmarks.scaling.plan import MAX_INSTANCES, MIN_INSTANCES
from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.simulation.replay import Decider
from mesh.spec.load import load_scaling

POLICIES: Final = Path(__file__).parent / "policies"


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """A policy, made anew for each run."""

    name: str
    title: str
    make: Callable[[], Decider]


def of_file(name: str) -> Decider:
    """Make the policy of one of the files.

    Raises:
        ValueError: its bounds are not those of the others.
    """
    scale = load_scaling(POLICIES / f"{name}.yml").spec.autoscale
    if scale is None or (scale.min_instances, scale.max_instances) != (
        MIN_INSTANCES,
        MAX_INSTANCES,
    ):
        raise ValueError(f"{name}: must scale from {MIN_INSTANCES} to {MAX_INSTANCES} instances")
    return Autoscaler(scale)


OURS: Final = "queue"
CONTENDERS: Final = (
    Contender(name=OURS, title="queue policy, ours", make=lambda: of_file(OURS)),
    Contender(name="kpa", title="KPA", make=lambda: Kpa(MIN_INSTANCES, MAX_INSTANCES)),
    Contender(name="azureml-fe", title="azureml-fe", make=lambda: of_file("azureml-fe")),
)
