"""An enqueued request that has been read. Ring: adapter."""

from __future__ import annotations

from typing import NamedTuple

from gateway.intake import Enqueued
from gateway.invocation import Invocation
from gateway.routes import Route
from gateway.terms import Terms
from mesh.clock import NS
from mesh.records import JobRecord


class Order(NamedTuple):
    """What was left, for which endpoint, on which terms, and how long it has waited."""

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
    def submitted_at_s(self) -> float:
        """When it was left (the broker's Unix time)."""
        return self.enqueued.stamped_ns / NS

    @property
    def due_at_s(self) -> float:
        """From when on it may run (Unix time), 0 if it may from the start."""
        return self.submitted_at_s + self.terms.delay_s if self.terms.delay_s else 0.0

    def record(self, deployment: str = "") -> JobRecord:
        """Return what is noted of it; `deployment` is where it goes, if that is decided."""
        return JobRecord(
            deployment=deployment,
            ingress_seq=self.enqueued.seq,
            timeout_s=self.terms.timeout_s,
            lane=self.terms.lane,
            due_at_s=self.due_at_s,
            webhook=self.terms.webhook,
            submitted_at_s=self.submitted_at_s,
        )
