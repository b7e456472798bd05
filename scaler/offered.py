"""What deployments are offered, by what the gateways count: a moving rate over a few seconds.

A gateway counts from its start, so what is told first is only where it stands. Ring: decisions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from mesh.wire import GatewayHeartbeat

SPAN_S: Final = 3.0
SHORTEST_S: Final = 0.5
OUTCOMES: Final = ("accepted", "refused", "timed_out")


class Rates(NamedTuple):
    """Requests a second: all that were offered, and those that were refused."""

    offered: float
    refused: float


class Growth(NamedTuple):
    """What a gateway said a few seconds ago and what it says now, and the seconds in between."""

    before: GatewayHeartbeat
    after: GatewayHeartbeat
    span_s: float


class _Look(NamedTuple):
    at_s: float
    said: GatewayHeartbeat


class Offered:
    """Hears gateways, and tells rates by deployment."""

    def __init__(self) -> None:
        self._looks: dict[str, deque[_Look]] = {}

    def __repr__(self) -> str:
        return f"<Offered gateways={len(self._looks)}>"

    def hear(self, said: GatewayHeartbeat, now_s: float) -> None:
        """Note what a gateway has counted."""
        if said.leaving:
            self._looks.pop(said.gateway, None)
            return
        looks = self._looks.setdefault(said.gateway, deque())
        looks.append(_Look(now_s, said))
        while looks[-1].at_s - looks[0].at_s > SPAN_S and len(looks) > 2:
            looks.popleft()

    def grown(self, now_s: float) -> list[Growth]:
        """What each gateway has counted lately; those are left out that have not told enough."""
        return [
            Growth(first.said, last.said, last.at_s - first.at_s)
            for first, last in ((looks[0], looks[-1]) for looks in self._looks.values())
            if last.at_s - first.at_s >= SHORTEST_S and now_s - last.at_s <= SPAN_S
        ]

    def rates(self, endpoint: str, deployment: str, now_s: float) -> Rates | None:
        """Return the rates of a deployment over all gateways; None if none has told enough."""
        name = f"{endpoint}/{deployment}"
        told = [_rates(growth, name) for growth in self.grown(now_s)]
        if not told:
            return None
        return Rates(sum(one.offered for one in told), sum(one.refused for one in told))

    def retain(self, gateways: Iterable[str]) -> None:
        """Forget every gateway but these."""
        for gone in self._looks.keys() - set(gateways):
            del self._looks[gone]


def _rates(growth: Growth, name: str) -> Rates:
    before, after = growth.before.offered.get(name, {}), growth.after.offered.get(name, {})
    grown = {outcome: after.get(outcome, 0) - before.get(outcome, 0) for outcome in OUTCOMES}
    return Rates(
        max(0, sum(grown.values())) / growth.span_s, max(0, grown["refused"]) / growth.span_s
    )
