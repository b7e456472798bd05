"""Which deployment gets a request: pure decisions, reproducible from their arguments.

Weights are integers, as in an endpoint's traffic map. Ring: decisions.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping


def smooth_cycle(weights: Mapping[str, int]) -> list[str]:
    """Return one whole period in which each name comes as often as its weight says, spread evenly.

    The names come in the order of their names wherever weights leave a choice, so that every
    gateway computes the same period.

    Source:
        nginx, smooth weighted round robin (commit 52327e0627f4).
    """
    names = sorted(name for name, weight in weights.items() if weight > 0)
    if not names:
        return []
    step = math.gcd(*(weights[name] for name in names))
    share = {name: weights[name] // step for name in names}
    total = sum(share.values())
    current = dict.fromkeys(names, 0)
    cycle: list[str] = []
    for _ in range(total):
        for name in names:
            current[name] += share[name]
        chosen = max(names, key=current.__getitem__)
        current[chosen] -= total
        cycle.append(chosen)
    return cycle


class Split:
    """Picks by weight, evenly spread, from a random point of the period.

    The random phase makes each single pick fair by itself: many gateways that have just started
    would otherwise all send their first requests to the same deployment.
    """

    __slots__ = ("_at", "_cycle", "weights")

    def __init__(self, weights: Mapping[str, int], phase: float) -> None:
        """Start at `phase`, from 0 (inclusive) to 1, of the period of `weights`."""
        self.weights = {name: weight for name, weight in weights.items() if weight > 0}
        self._cycle = smooth_cycle(self.weights)
        self._at = int(phase * len(self._cycle))

    def __repr__(self) -> str:
        return f"<Split {self.weights} at {self._at}>"

    def pick(self) -> str:
        """Return the next name; there must be one with weight."""
        at = self._at
        self._at = at + 1 if at + 1 < len(self._cycle) else 0
        return self._cycle[at]

    def stick(self, key: bytes) -> str:
        """Return the name this key always gets, as long as the weights stay.

        When weights change, only keys of names that lost share move (weighted rendezvous).

        Source:
            Wang, Ravindran: Weighted distributed hash tables (draft-ietf-bess-weighted-hrw).
        """
        return max(self.weights, key=lambda name: _score(key, name, self.weights[name]))


def _score(key: bytes, name: str, weight: int) -> float:
    digest = hashlib.blake2b(key, digest_size=8, key=name.encode()).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -weight / math.log(uniform)
