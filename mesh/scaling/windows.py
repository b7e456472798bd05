"""What a figure was during the last seconds. Pure: time is a number handed in. Ring: decisions."""

from __future__ import annotations

from collections import deque


class Window:
    """The mean and the growth of a figure over a span."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._looks: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def __repr__(self) -> str:
        return f"<Window span_s={self._span_s} looks={len(self._looks)}>"

    def add(self, now_s: float, figure: float | None) -> None:
        """Note what the figure is now, None if it is not known; forget what is too old."""
        if figure is not None:
            self._looks.append((now_s, figure))
            self._sum += figure
        while self._looks and now_s - self._looks[0][0] > self._span_s:
            self._sum -= self._looks.popleft()[1]
        if not self._looks:
            self._sum = 0.0  # what rounding has left

    @property
    def mean(self) -> float | None:
        """The mean; None if the figure was not known once."""
        return max(0.0, self._sum) / len(self._looks) if self._looks else None

    @property
    def growth_per_s(self) -> float:
        """How fast the figure has grown from the first look to the last."""
        if len(self._looks) < 2:
            return 0.0
        (since_s, before), (now_s, after) = self._looks[0], self._looks[-1]
        return (after - before) / (now_s - since_s)
