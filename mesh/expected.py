"""How long the interactive lane of a deployment makes a request wait, by what is known of it.

Gateways refuse by it what could not be answered in time, the scaler tells it to its policies.
Ring: decisions.
"""

from __future__ import annotations

from typing import Final

from mesh.wire import Depth

SHARE: Final = 0.9  # of the slots, while queued requests have theirs


def rate_per_s(depth: Depth) -> float | None:
    """Return how many requests a second are served, None if that is not known."""
    slot_s = depth.service.slot_s
    if not depth.slots or slot_s <= 0.0:
        return None
    share = SHARE if depth.lanes.get("queued") else 1.0
    return share * depth.slots / slot_s


def wait_s(depth: Depth, ahead: int) -> float | None:
    """Return how long a request waits with so many before it, None if that is not known."""
    if not depth.ready:
        return depth.startup_s or None
    rate = rate_per_s(depth)
    if rate is None:
        return None
    return max(0.0, ahead - depth.slots + 1) / rate
