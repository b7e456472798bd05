"""What is replayed: the demand, on what, and the chance in it. Ring: values."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

import msgspec

from mesh.scaling.simulation.service import Service
from mesh.scaling.simulation.trace import Trace

EPOCH_S: Final = 1_770_249_600.0  # Thursday, 5 February 2026, 00:00 UTC

Requests = list[tuple[float, float]]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A demand, and the deployment that is to serve it.

    `begin_with`: instances that are ready at the beginning. `epoch_s`: the Unix time of it, for
    calendars. The same seed makes the same requests, whoever decides.
    """

    trace: Trace
    service: Service = Service()
    begin_with: int = 1
    seed: int = 1
    epoch_s: float = EPOCH_S

    def requests(self) -> Iterator[tuple[float, float]]:
        """Yield when each request comes and how long it will run."""
        rng = random.Random(f"{self.seed} service")
        for at_s in self.trace.arrivals(random.Random(f"{self.seed} demand")):
            yield at_s, self.service.draw_service_s(rng)
