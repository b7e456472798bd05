"""What deployments are offered, counted slot by slot of five minutes, by what gateways tell.

Ring: decisions.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from mesh.wire import GatewayHeartbeat
from scaler.forecast.outlook import SLOT_S

# After a longer silence nobody knows in which slot the requests came.
LONGEST_SILENCE_S: Final = 5.0


class Slot(NamedTuple):
    """Requests by `endpoint/deployment` from `start_s` on, in the seconds somebody was heard."""

    start_s: float
    heard_s: float
    requests: dict[str, int]


class _Look(NamedTuple):
    at_s: float
    totals: dict[str, int]


class Demand:
    """Hears gateways, and tells what each slot brought. Times are Unix times."""

    def __init__(self, slot_s: float = SLOT_S) -> None:
        self._slot_s = slot_s
        self._looks: dict[str, _Look] = {}
        self._open: Slot | None = None
        self._heard_at_s = -math.inf
        self._full: list[Slot] = []

    def __repr__(self) -> str:
        return f"<Demand gateways={len(self._looks)} full={len(self._full)}>"

    def hear(self, said: GatewayHeartbeat, at_s: float) -> None:
        """Note what a gateway has counted since it was heard before."""
        slot = self._slot_at(at_s)
        silence_s = at_s - self._heard_at_s
        if 0 <= silence_s <= LONGEST_SILENCE_S:
            slot = slot._replace(heard_s=slot.heard_s + silence_s)
        self._open, self._heard_at_s = slot, at_s
        look = _Look(at_s, {name: sum(counts.values()) for name, counts in said.offered.items()})
        last = self._looks.get(said.gateway)
        if last is not None and 0 <= at_s - last.at_s <= LONGEST_SILENCE_S:
            for name, total in look.totals.items():
                grown = max(0, total - last.totals.get(name, 0))
                slot.requests[name] = slot.requests.get(name, 0) + grown
        self._looks[said.gateway] = look
        if said.leaving:
            del self._looks[said.gateway]

    def full(self, at_s: float) -> list[Slot]:
        """Take the slots that have ended."""
        if self._open is not None and at_s - self._open.start_s >= self._slot_s:
            self._end()
        full, self._full = self._full, []
        return full

    def rest(self) -> list[Slot]:
        """Take the slots that have ended, and the one that has not."""
        self._end()
        return self.full(0.0)

    def _slot_at(self, at_s: float) -> Slot:
        start_s = at_s // self._slot_s * self._slot_s
        if self._open is not None and self._open.start_s != start_s:
            self._end()
        if self._open is None:
            self._looks = {
                name: look
                for name, look in self._looks.items()
                if at_s - look.at_s <= LONGEST_SILENCE_S
            }
            return Slot(start_s, 0.0, {})
        return self._open

    def _end(self) -> None:
        if self._open is not None and self._open.heard_s > 0:
            self._full.append(self._open)
        self._open = None
