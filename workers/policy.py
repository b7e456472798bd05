"""How much to ask the broker for, and of which lane: arithmetic only.

Rules: the interactive lane has standing credit for free slots and what hides the round trip; a
lower lane gets credit only while a slot is spare, or when its share is due, so that it neither
delays interactive requests nor starves. Source: ADR 0003 and the measurements it cites.
Ring: decisions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from mesh.subjects import Lane

LOWER_LANES: Final[tuple[Lane, ...]] = ("queued", "background", "shadow")
PREFETCH_LIMIT: Final = 64
SHARE_EVERY: Final = 10
QUIET_S: Final = 1.0


class Load(msgspec.Struct, kw_only=True):
    """What the instance has on its hands. Times are monotonic seconds.

    `queued` are those of this lane that wait in hand; `asked_at_s` says when a lane was last asked
    for more.
    """

    slots: int
    busy: int = 0
    waiting: int = 0
    queued: int = 0
    spare_since_s: float = 0.0
    interactive_at_s: float = 0.0
    since_share: int = 0
    asked_at_s: dict[Lane, float] = {}

    @property
    def is_share_due(self) -> bool:
        """Whether the next request to run should be a queued one, whoever else waits."""
        return self.since_share >= SHARE_EVERY

    @property
    def free(self) -> int:
        """Slots that neither run nor are promised to a waiting message; may be negative."""
        return self.slots - self.busy - self.waiting


def prefetch(slots: int, round_trip_s: float, service_s: float) -> int:
    """How many messages beyond the free slots hide the round trip to the broker.

    Args:
        slots: requests the instance runs at once.
        round_trip_s: to the broker and back.
        service_s: mean time of one request in a slot; 0 while unknown.

    Returns:
        1 for a slow model (nothing to hide), up to 64 for a fast one.
    """
    if service_s <= 0.0 or service_s > 10 * round_trip_s:
        return 1
    return max(1, math.ceil(min(PREFETCH_LIMIT, slots * round_trip_s / service_s)))


def interactive_batch(free: int, ahead: int, credit: int) -> int:
    """How many more interactive messages to ask for now; 0 until half the credit is used up."""
    target = max(free, 0) + ahead if free + ahead > 0 else 0
    if credit > target // 2:
        return 0
    return max(0, target - credit)


def lower_batch(
    lane: Lane, load: Load, credit: Mapping[Lane, int], now_s: float, hold_s: float
) -> int:
    """How many messages of a lower lane to ask for now.

    A lane of rank n waits until every lane above it is known to be empty: its credit is out and
    has brought nothing for `hold_s`. While interactive requests come, one at a time; when they
    have been quiet, as many as there are spare slots.
    """
    if credit[lane]:
        return 0
    if lane == "queued" and load.is_share_due:
        return 0 if load.queued else 1
    above = LOWER_LANES[: LOWER_LANES.index(lane)]
    if any(
        not credit[upper] or now_s - load.asked_at_s.get(upper, -math.inf) < hold_s
        for upper in above
    ):
        return 0
    spare = load.free - sum(credit[upper] for upper in above if load.free > 1)
    if load.free <= 0 or now_s - load.spare_since_s < hold_s:
        return 0
    if now_s - load.interactive_at_s < QUIET_S:
        return 1
    return max(1, spare)
