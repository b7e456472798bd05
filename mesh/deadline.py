"""Deadlines by the thousand: a wheel of coarse slots instead of one timer each.

Adding costs a dictionary look-up and an append; whoever is answered in time is never removed, the
slot that held it finds it gone. Knows no clock: time enters as `now_s`. Ring: decisions.
"""

from __future__ import annotations

import heapq
import math


class Wheel:
    """Numbers grouped by the slot in which they fall due; a slot is `tick_s` seconds long."""

    def __init__(self, tick_s: float = 0.01) -> None:
        self._tick_s = tick_s
        self._slots: dict[int, list[int]] = {}
        self._order: list[int] = []  # a heap of the slots there are

    def __repr__(self) -> str:
        return f"<Wheel slots={len(self._slots)} numbers={sum(map(len, self._slots.values()))}>"

    def add(self, number: int, due_s: float) -> float | None:
        """Note that `number` falls due.

        Returns:
            When `expire` must be called next, if that is sooner than was known before.
        """
        slot = int(due_s / self._tick_s) + 1
        numbers = self._slots.get(slot)
        if numbers is not None:
            numbers.append(number)
            return None
        self._slots[slot] = [number]
        heapq.heappush(self._order, slot)
        return slot * self._tick_s if self._order[0] == slot else None

    def expire(self, now_s: float) -> tuple[list[int], float | None]:
        """Take out all that is due; return it, and when to call again (None: nothing is left)."""
        current = math.floor(now_s / self._tick_s + 1e-6)
        due: list[int] = []
        while self._order and self._order[0] <= current:
            due += self._slots.pop(heapq.heappop(self._order))
        return due, self._order[0] * self._tick_s if self._order else None


def shorter_timeout_s(timeout_s: float, wish_ms: str, wish_s: str) -> float:
    """Return the deployment's timeout, or the caller's own if that is shorter.

    Args:
        timeout_s: what the deployment allows.
        wish_ms: the caller's wish in milliseconds as text; empty, or no number, if none.
        wish_s: the same in seconds, used if there is no wish in milliseconds.
    """
    for text, unit_s in ((wish_ms, 0.001), (wish_s, 1.0)):
        try:
            wish = float(text) * unit_s
        except ValueError:
            continue
        if wish > 0:
            return min(timeout_s, wish)
    return timeout_s
