"""What a policy is: it is shown a deployment's load and asks for a count, or for nothing.

Pure: time is a number handed in. A policy may remember what it was shown. Ring: decisions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from mesh.scaling.observation import Observation


class Asked(msgspec.Struct, frozen=True):
    """What a target asks for.

    `why` is a clause that lacks the count. For `hold_s` after the last time it was asked for,
    there are not fewer than this count.
    """

    target: str
    count: int
    why: str
    hold_s: float = 0.0


class Policy(Protocol):
    """One way to find a count."""

    def ask(self, seen: Observation, now_s: float) -> Iterable[Asked]:
        """Return what is asked for; nothing where nothing is known, for no data is not zero.

        Args:
            seen: the load now.
            now_s: the present, of a clock that never goes back; `seen.at_s` is for calendars.
        """
        ...


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The count from now on, why, and what each target asked for."""

    count: int
    reason: str
    asked: tuple[Asked, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """The count that each target asked for."""
        return {one.target: one.count for one in self.asked}

    @property
    def reasons(self) -> dict[str, str]:
        """Why each target asked for its count."""
        return {one.target: one.why for one in self.asked}
