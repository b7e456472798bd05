"""How long to wait before something that has failed is tried again. Ring: decisions."""

from __future__ import annotations


def backoff_s(failures: int, first_s: float, longest_s: float) -> float:
    """Return the seconds to wait after so many failures in a row.

    Args:
        failures: how many there have been, at least 1.
        first_s: the wait after the first; it doubles with each further one.
        longest_s: the wait is never longer.
    """
    return min(longest_s, first_s * 2.0 ** min(failures - 1, 30))
