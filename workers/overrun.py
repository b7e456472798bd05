"""Which requests a runner has to be stopped for, and whether they alone are to blame.

Ring: decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

CANCEL_GRACE_S: Final = 1.0


class Handed(NamedTuple):
    """A request that a runner was handed. `order`: 1 for the first one of its process."""

    order: int
    since_s: float
    deadline_s: float


class Running(NamedTuple):
    """What a runner does: how many requests it has begun, and when the last one.

    A sync one runs one at a time, the last one begun. `limit_s`: how long a run may take.
    """

    is_async: bool
    begun: int
    begun_at_s: float
    limit_s: float


def overdue(handed: Mapping[int, Handed], running: Running, now_s: float) -> frozenset[int]:
    """Return what is past its deadline, cannot be cancelled, and has had its time.

    Callers choose shorter deadlines: they shall not bring runners down that do as they should.
    """
    late = {number: one for number, one in handed.items() if one.deadline_s <= now_s}
    if not running.is_async:
        has_had_its_time = running.begun_at_s + running.limit_s <= now_s
        return _current(late, running) if has_had_its_time else frozenset()
    return frozenset(
        number
        for number, one in late.items()
        if max(one.deadline_s + CANCEL_GRACE_S, one.since_s + running.limit_s) <= now_s
    )


def deserted(
    handed: Mapping[int, Handed], running: Running, gone_s: Mapping[int, float], until_s: float
) -> frozenset[int]:
    """Return what a sync script runs if its caller is gone, and was so at `until_s`.

    An async one has been told; to stop its runner would cost those beside it.
    """
    if running.is_async:
        return frozenset()
    since = {n: one for n, one in handed.items() if gone_s.get(n, until_s + 1) <= until_s}
    return _current(since, running)


def are_to_blame(
    stuck: frozenset[int], handed: Mapping[int, Handed], running: Running, heard_s: float
) -> bool:
    """Tell whether those that are stuck are so by themselves.

    An async runner that says nothing any more is blocked by one of all it has in hand, and nobody
    knows by which. If it has spoken since they were told to end, they do not listen.
    """
    if not running.is_async or len(handed) == 1:
        return True
    return heard_s > max(handed[number].deadline_s for number in stuck)


def _current(candidates: Mapping[int, Handed], running: Running) -> frozenset[int]:
    return frozenset(n for n, one in candidates.items() if one.order == running.begun)
