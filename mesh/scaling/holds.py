"""The counts asked for lately that still stand. Pure: time is a number handed in.

Ring: decisions.
"""

from __future__ import annotations

from typing import NamedTuple


class Held(NamedTuple):
    """A count that is kept until a time, for `hold_s` from when it was asked for last."""

    instances: int
    until_s: float
    hold_s: float


class Holds:
    """What is held: larger counts that end earlier, before smaller ones that end later."""

    def __init__(self) -> None:
        self._held: list[Held] = []

    def __repr__(self) -> str:
        return f"<Holds {self._held}>"

    def add(self, count: int, hold_s: float, now_s: float) -> None:
        """Keep a count for so long."""
        new = Held(count, now_s + hold_s, hold_s)
        if any(old.instances >= count and old.until_s >= new.until_s for old in self._held):
            return
        self._held = [
            old for old in self._held if old.instances > count or old.until_s > new.until_s
        ]
        self._held.append(new)

    def largest(self, now_s: float) -> Held | None:
        """Return the largest count that still stands; None if none does."""
        self._held = [held for held in self._held if held.until_s >= now_s]
        return max(self._held, default=None)
