"""The page that Prometheus reads to learn whom to scrape (HTTP service discovery).

A scaler that does not lead knows nobody and says so with a 503: Prometheus then keeps the targets
it has. While the broker is away the last list stays up, so that an outage is seen and not hidden.
Requests come from another thread: a list is never changed, only replaced. Ring: adapter.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mesh.metrics import Page
from scaler.targets import TargetGroup

UNKNOWN: Final = Page(
    "503 Service Unavailable",
    "text/plain; charset=utf-8",
    b"this scaler does not lead, or has just begun to: it does not know who lives\n",
)

encode = msgspec.json.Encoder().encode


class Discovery:
    """Tells the last list of targets; None while there has not been one."""

    def __init__(self) -> None:
        self.groups: tuple[TargetGroup, ...] | None = None

    def __repr__(self) -> str:
        return f"<Discovery {len(self.groups or ())} targets>"

    def page(self) -> Page:
        """Return the list as Prometheus wants it."""
        groups = self.groups
        if groups is None:
            return UNKNOWN
        return Page("200 OK", "application/json", encode(groups))
