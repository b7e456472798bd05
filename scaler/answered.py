"""How fast deployments answered lately, by what gateways count. Ring: decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from mesh.tally import LATENCY_BUCKETS_S
from scaler.offered import Growth

PERCENTILES: Final = (50, 90, 95, 99)


class Answered(NamedTuple):
    """Requests a second that were answered, and their latency in seconds: percentiles, mean."""

    per_s: float
    latency_s: dict[int, float]
    mean_s: float | None


def answered(grown: Iterable[Growth], name: str) -> Answered | None:
    """Return how fast `endpoint/deployment` was lately; None if no gateway has told enough."""
    per_s, counts, told = 0.0, [0] * (len(LATENCY_BUCKETS_S) + 1), False
    for growth in grown:
        after = growth.after.latency.get(name, [])
        before = growth.before.latency.get(name, [0] * len(counts))
        if len(after) != len(counts) or len(before) != len(counts):
            continue  # nobody has asked for it yet, or the gateway counts in other buckets
        told = True
        more = [max(0, now - then) for now, then in zip(after, before, strict=True)]
        per_s += sum(more) / growth.span_s
        counts = [one + other for one, other in zip(counts, more, strict=True)]
    if not told:
        return None
    return Answered(
        per_s,
        {percent: _percentile(counts, percent) for percent in PERCENTILES} if any(counts) else {},
        _mean(counts) if any(counts) else None,
    )


def _mean(counts: Sequence[int]) -> float:
    """Return the mean, each request in the middle of its bucket."""
    bounds = (0.0, *LATENCY_BUCKETS_S, LATENCY_BUCKETS_S[-1])
    middles = [(low + high) / 2 for low, high in pairwise(bounds)]
    total_s = sum(count * middle for count, middle in zip(counts, middles, strict=True))
    return total_s / sum(counts)


def _percentile(counts: Sequence[int], percent: int) -> float:
    """Return the value that `percent` of the counted ones do not exceed.

    Within a bucket they are taken to be spread evenly, as Prometheus does; what is beyond the last
    bound counts as that bound.
    """
    reached = list(accumulate(counts))
    rank = reached[-1] * percent / 100
    bucket = next(i for i, total in enumerate(reached) if total >= rank and total)
    if bucket == len(LATENCY_BUCKETS_S):
        return LATENCY_BUCKETS_S[-1]
    low = LATENCY_BUCKETS_S[bucket - 1] if bucket else 0.0
    share = (rank - (reached[bucket] - counts[bucket])) / counts[bucket]
    return low + (LATENCY_BUCKETS_S[bucket] - low) * share
