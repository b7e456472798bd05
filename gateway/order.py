"""An enqueued request that has been read. Ring: adapter."""

from __future__ import annotations

from typing import NamedTuple

from gateway.intake import Enqueued
from gateway.invocation import Invocation
from gateway.routes import Route
from mesh.subjects import Lane


class Order(NamedTuple):
    """What was left, for which endpoint, and how long it may wait and still can."""

    enqueued: Enqueued
    request_id: str
    route: Route
    invocation: Invocation
    lane: Lane
    timeout_s: float
    left_s: float
