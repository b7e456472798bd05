"""How many requests a sync runner is handed before it can begin them. Ring: decisions."""

from __future__ import annotations

import math
from typing import Final

COVER_S: Final = 0.001
AHEAD_LIMIT: Final = 64
# From here on waiting for the next request costs little, and a request that was handed over can no
# longer go to another runner that is free.
SLOW_S: Final = 0.02
WEIGHT: Final = 0.2


def send_ahead(mean_s: float) -> int:
    """Return how many requests to hand over ahead of time, to hide the way to a quick runner.

    Args:
        mean_s: mean time of a run(); 0 while unknown.
    """
    if mean_s <= 0.0 or mean_s >= SLOW_S:
        return 0
    return max(1, min(AHEAD_LIMIT, math.ceil(COVER_S / mean_s)))


def smooth(mean_s: float, sample_s: float) -> float:
    """Return the moving mean with one more sample; the first one counts in full."""
    return mean_s + (sample_s - mean_s) * WEIGHT if mean_s else sample_s
