"""How rollouts have ended, counted. Ring: decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from typing import Final, Literal, get_args

from mesh.records import DeploymentState

Outcome = Literal["completed", "failed", "superseded"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

Address = tuple[str, str]
Counts = dict[tuple[str, str, str], int]


def outcome(before: DeploymentState, after: DeploymentState) -> Outcome | None:
    """Return what has become of a generation between two states; None if that is still open.

    The first generation of a deployment counts as well.
    """
    if after.serving != before.serving and after.serving == after.generation:
        return "completed"
    if after.failed_generation != before.failed_generation:
        return "failed"
    decided = (0, before.serving, before.failed_generation)
    if after.generation != before.generation and before.generation not in decided:
        return "superseded"
    return None


class Outcomes:
    """Counts outcomes by deployment, from zero."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def __repr__(self) -> str:
        return f"<Outcomes {self._counts.total()}>"

    def note(self, address: Address, before: DeploymentState, after: DeploymentState) -> None:
        """Take note of a change of a deployment's state."""
        found = outcome(before, after)
        if found is not None:
            self._counts[(*address, found)] += 1

    def counts(self) -> Counts:
        """How many there were, by endpoint, deployment and outcome."""
        return dict(self._counts)

    def retain(self, addresses: Set[Address]) -> None:
        """Forget every deployment but these, which count from zero on."""
        for key in [key for key in self._counts if key[:2] not in addresses]:
            del self._counts[key]
        for address in addresses:
            for known in OUTCOMES:
                self._counts[(*address, known)] += 0
