"""What the last weeks' demand lets expect of a deployment. Ring: values."""

from __future__ import annotations

from typing import Final

import msgspec

SLOT_S: Final = 300.0


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a second that are not exceeded too often, slot by slot from `start_s` (Unix time).

    `days` of demand were known. `reason` says why there are no rates. `service_s`: how long a
    request took when somebody told last.
    """

    start_s: float = 0.0
    rates: list[float] = []
    days: float = 0.0
    reason: str = ""
    service_s: float | None = None

    def rate(self, at_s: float, until_s: float) -> float | None:
        """Return the highest rate from one time to another; None if it was not foreseen."""
        first = int((at_s - self.start_s) // SLOT_S)
        last = int((until_s - self.start_s) // SLOT_S)
        if first < 0 or last >= len(self.rates):
            return None
        return max(self.rates[first : last + 1])
