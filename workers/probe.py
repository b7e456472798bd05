"""What the answers to a probe say of a runner, in a row. Ring: decisions."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from mesh.spec.deployment import DeploymentSpec
from mesh.spec.runtime import Probe

Kind = Literal["startup", "liveness", "readiness"]
Question = Literal["live", "ready"]

QUESTIONS: Final[dict[Kind, Question]] = {
    "startup": "live",
    "liveness": "live",
    "readiness": "ready",
}


class Probes(msgspec.Struct, frozen=True, kw_only=True):
    """The probes of a deployment; one that is None is not made."""

    startup: Probe | None = None
    liveness: Probe | None = None
    readiness: Probe | None = None


def probes_of(spec: DeploymentSpec) -> Probes | None:
    """Return the probes that a deployment asks for; None if it asks for none."""
    probes = Probes(
        startup=spec.startup_probe, liveness=spec.liveness_probe, readiness=spec.readiness_probe
    )
    return probes if probes != Probes() else None


class Streak:
    """One probe of one runner: whether successes in a row have made it good, or failures bad.

    It stays what it is until the other has happened; at first it is neither.
    """

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._successes = self._failures = 0
        self.is_good = self.is_bad = False

    def __repr__(self) -> str:
        return f"<Streak good={self.is_good} bad={self.is_bad}>"

    def note(self, *, is_success: bool) -> None:
        """Take in one answer."""
        if is_success:
            self._successes, self._failures = self._successes + 1, 0
        else:
            self._successes, self._failures = 0, self._failures + 1
        if self._successes >= self._probe.success_threshold:
            self.is_good, self.is_bad = True, False
        elif self._failures >= self._probe.failure_threshold:
            self.is_good, self.is_bad = False, True

    @property
    def text(self) -> str:
        """How it fails."""
        times = "once" if self._failures == 1 else f"{self._failures} times in a row"
        return f"failed {times}"


def next_at_s(probe: Probe, last_at_s: float, now_s: float) -> float:
    """Return when to probe again: a period after it began last, at once if that is over."""
    return max(now_s, last_at_s + probe.period)
