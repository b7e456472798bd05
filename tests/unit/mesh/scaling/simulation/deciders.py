"""Policies that are no policies: a count that never changes, or one by lot."""

import random

from mesh.scaling.policy import Decision


class Fixed:
    """The same count for ever; keeps what it was shown."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.shown = []

    def decide(self, seen, now_s) -> Decision:
        self.shown.append(seen)
        return Decision(count=self.count, reason="fixed")


class ByLot:
    """Any count, at any time; keeps what it was shown."""

    def __init__(self, seed: int, most: int) -> None:
        self.rng = random.Random(seed)
        self.most = most
        self.shown = []

    def decide(self, seen, now_s) -> Decision:
        self.shown.append(seen)
        if self.rng.random() < 0.9:
            return Decision(count=seen.current, reason="as it is")
        return Decision(count=self.rng.randint(0, self.most), reason="by lot")
