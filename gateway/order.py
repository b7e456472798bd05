"""An enqueued request that has been read. Ring: adapter."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.intake import Enqueued
from gateway.invocation import Invocation
from gateway.routes import Route
from gateway.terms import Terms

NS: Final = 1_000_000_000


class Order(NamedTuple):
    """An enqueued request that has been read."""

    enqueued: Enqueued
    request_id: str
    route: Route
    invocation: Invocation
    terms: Terms
    waited_s: float

    @property
    def left_s(self) -> float:
        """How long it may still wait."""
        return self.terms.timeout_s - self.waited_s

    @property
    def early_s(self) -> float:
        """How long it must still wait."""
        return self.terms.delay_s - self.waited_s

    @property
    def due_at_s(self) -> float:
        """From when on it may run (Unix time), 0 if it may from the start."""
        delay_s = self.terms.delay_s
        return self.enqueued.stamped_ns / NS + delay_s if delay_s else 0.0
