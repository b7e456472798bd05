"""Whose policies are compared: ours and three others, each with its published defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.scaling.kpa import Kpa
from benchmarks.scaling.plan import MAX_INSTANCES, MIN_INSTANCES
from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.observation import Observation
from mesh.scaling.policy import Decision
from mesh.scaling.profiles import Profiles
from mesh.scaling.simulation.replay import Decider
from mesh.spec.load import load_scaling
from mesh.spec.scale import ScaleSettings

POLICIES: Final = Path(__file__).parent / "policies"


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """A policy, made anew for each run."""

    name: str
    title: str
    make: Callable[[], Decider]


class Rules:
    """Azure Monitor's rules and nothing beside them: what the mesh adds to them is left out."""

    def __init__(self, scale: ScaleSettings) -> None:
        self._profiles = Profiles(scale.profiles)

    def __repr__(self) -> str:
        return f"<Rules {self._profiles!r}>"

    def decide(self, seen: Observation, now_s: float) -> Decision:
        """Return how many instances there should be from now on."""
        asked = next(iter(self._profiles.ask(seen, now_s)))
        return Decision(count=asked.count, reason=asked.why)


def settings_of(name: str) -> ScaleSettings:
    """Load one of the policies.

    Raises:
        ValueError: its bounds are not those of the others.
    """
    scale = load_scaling(POLICIES / f"{name}.yml").spec.autoscale
    if scale is None or (scale.min_instances, scale.max_instances) != (
        MIN_INSTANCES,
        MAX_INSTANCES,
    ):
        raise ValueError(f"{name}: must scale from {MIN_INSTANCES} to {MAX_INSTANCES} instances")
    return scale


OURS: Final = "queue"
CONTENDERS: Final = (
    Contender(name=OURS, title="queue policy, ours", make=lambda: Autoscaler(settings_of(OURS))),
    Contender(
        name="cpu-rules", title="CPU > 70% rules", make=lambda: Rules(settings_of("cpu-rules"))
    ),
    Contender(name="kpa", title="KPA", make=lambda: Kpa(MIN_INSTANCES, MAX_INSTANCES)),
    Contender(
        name="azureml-fe",
        title="azureml-fe",
        make=lambda: Autoscaler(settings_of("azureml-fe")),
    ),
)
