"""A deployment whose load is shared evenly by as many instances as its policy wants."""

from collections.abc import Callable

from msgspec.structs import replace

from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.observation import Observation
from mesh.spec.profiles import Capacity, Profile, Rule
from mesh.spec.scale import ScaleSettings

LOOK_S = 2.0


def rule(condition: str, scale: str, **changes) -> Rule:
    """A rule in the short form."""
    return Rule(condition=condition, scale=scale, **changes)


def profile(*rules: Rule, least=1, most=10, default=1, **changes) -> Profile:
    """A profile, the default one unless told otherwise."""
    capacity = Capacity(least=least, most=most, default=default)
    return Profile(**{"name": "usual", "capacity": capacity, "rules": list(rules), **changes})


def settings(*profiles: Profile, **changes) -> ScaleSettings:
    """Settings that follow profiles and nothing else."""
    known = {"min_instances": 0, "max_instances": 50, "scale_in_delay_s": 0.0}
    return ScaleSettings(type="target_utilization", profiles=list(profiles), **(known | changes))


class Fleet:
    """Looks every other second, and carries out what is decided at once."""

    def __init__(self, scale: ScaleSettings, current: int, at_s: float = 0.0) -> None:
        self.autoscaler = Autoscaler(scale)
        self.current = current
        self.now_s = 6000.0
        self.ahead_s = at_s - self.now_s
        self.changes: list[tuple[float, int]] = []

    def look(self, **seen):
        """Look once."""
        known = {"depth": 0, "ready": self.current, "at_s": self.now_s + self.ahead_s}
        decision = self.autoscaler.decide(
            Observation(current=self.current, **(known | seen)), self.now_s
        )
        if decision.count != self.current:
            self.changes.append((self.now_s, decision.count))
        self.current = decision.count
        self.now_s += LOOK_S
        return decision

    def run(self, minutes: float, cpu: float | Callable[[int], float] | None = None, **seen):
        """Look for so long, with so much CPU used in all; return the counts."""
        counts = []
        for _ in range(round(minutes * 60 / LOOK_S)):
            share = {} if cpu is None else {"cpu_percent": cpu / max(1, self.current)}
            counts.append(self.look(**(share | seen)).count)
        return counts


__all__ = ["Fleet", "profile", "replace", "rule", "settings"]
