"""Cancellations of requests that are not here: they may be on their way. Ring: decisions."""

from __future__ import annotations

from typing import Final

REMEMBER_S: Final = 2.0
REMEMBER: Final = 4096  # each instance hears of all that are cancelled


class Early:
    """Remembers, for a moment, which requests nobody waits for."""

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}  # the oldest first

    def __repr__(self) -> str:
        return f"<Early {len(self._until_s)}>"

    def note(self, request_id: str, now_s: float) -> None:
        """Remember a request that was cancelled and is not here."""
        self._until_s.pop(request_id, None)
        self._until_s[request_id] = now_s + REMEMBER_S
        oldest = next(iter(self._until_s))
        while len(self._until_s) > REMEMBER or self._until_s[oldest] <= now_s:
            del self._until_s[oldest]
            oldest = next(iter(self._until_s))

    def take(self, request_id: str, now_s: float) -> bool:
        """Tell whether a request that has come was cancelled just before."""
        return bool(self._until_s) and self._until_s.pop(request_id, 0.0) > now_s
