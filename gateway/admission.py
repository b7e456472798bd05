"""Whether a request can be answered in time, before it is queued: a forecast from what is known.

What is known is the scaler's last word on the queue, and what this gateway has let in since, and
seen answered. Where nothing is known everything is let in. Ring: decisions.
"""

from __future__ import annotations

import math
from typing import Final

from mesh import expected
from mesh.errors import CapacityError
from mesh.figures import ServiceTime
from mesh.spec.options import Admission
from mesh.wire import Depth

VALID_S: Final = 5.0
# run() takes its time, and the way back too; a worker drops what it could not end by then.
RUN_MARGIN: Final = 1.25
HEADROOM: Final = 0.9  # a forecast is none to the last millisecond: service times vary
IN_FLIGHT: Final = 2  # requests per slot that Azure lets in


class Forecast:
    """How long the interactive lane of one deployment will make a request wait.

    `since` is how many this gateway has let in since the last word, less those that have ended;
    other gateways are taken to have as many.
    """

    __slots__ = ("_depth", "_heard_s", "admission", "deployment", "since")

    def __init__(self, deployment: str, admission: Admission) -> None:
        self.deployment = deployment
        self.admission = admission
        self.since = 0
        self._depth: Depth | None = None
        self._heard_s = 0.0

    def __repr__(self) -> str:
        return f"<Forecast {self.deployment} since={self.since}>"

    def hear(self, depth: Depth, now_s: float) -> None:
        """Take the scaler's word."""
        self._depth = depth
        self._heard_s = now_s
        self.since = 0

    def ahead(self, now_s: float) -> int | None:
        """Return about how many requests are queued or running now, None if that is not known."""
        depth = self._depth
        if depth is None or now_s - self._heard_s > VALID_S:
            return None
        return max(0, depth.lanes.get("interactive", 0) + self.since * max(1, depth.gateways))

    def wait_s(self, now_s: float) -> float | None:
        """Return how long a request would wait for its turn, None if that is not known."""
        depth, ahead = self._depth, self.ahead(now_s)
        if depth is None or ahead is None:
            return None
        return expected.wait_s(depth, ahead)

    def check(self, timeout_s: float, now_s: float) -> None:
        """Refuse what could not be answered in time, or what is too much at once.

        Raises:
            CapacityError: its context says in `retry_after_s` when it would be let in.
        """
        if self.admission == "inflight":
            self._check_in_flight(now_s)
        elif self.admission == "deadline":
            self._check_deadline(timeout_s, now_s)

    def retry_after_s(self, now_s: float) -> float:
        """Return how long a queue that is full will be: no use to come back earlier."""
        return self.wait_s(now_s) or 0.0

    def _check_deadline(self, timeout_s: float, now_s: float) -> None:
        wait_s = self.wait_s(now_s)
        if not wait_s or self._depth is None:
            return
        needed_s = wait_s + _run_s(self._depth.service)
        late_s = needed_s - HEADROOM * timeout_s
        if late_s > 0:
            why = "its queue" if self._depth.ready else "an instance to start"
            raise CapacityError(
                f"deployment {self.deployment} would answer in {needed_s:.1f} s, waiting for "
                f"{why}: the request has {timeout_s:g} s",
                retry_after_s=late_s,
            )

    def _check_in_flight(self, now_s: float) -> None:
        depth, ahead = self._depth, self.ahead(now_s)
        if depth is None or ahead is None or not depth.slots:
            return
        limit = IN_FLIGHT * depth.slots
        if ahead >= limit:
            rate = expected.rate_per_s(depth)
            raise CapacityError(
                f"deployment {self.deployment} has {ahead} requests in flight, "
                f"{limit} are its limit",
                retry_after_s=(ahead - limit + 1) / rate if rate else 0.0,
            )


def _run_s(service: ServiceTime) -> float:
    """Return how long it takes from its turn to its answer, at most.

    A slot may have to wait for a process, where there are more slots than processes.
    """
    return max(service.slot_s, service.mean_s) + (RUN_MARGIN - 1.0) * service.mean_s


def retry_after(seconds: object) -> int:
    """Return the whole seconds for a `Retry-After`, one at least."""
    return max(1, math.ceil(seconds)) if isinstance(seconds, int | float) else 1
