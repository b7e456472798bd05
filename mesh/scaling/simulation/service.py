"""What is simulated: how long starts and requests take, what they cost. Ring: values."""

from __future__ import annotations

import math
import random
from typing import Final, Literal

import msgspec

Spread = Literal["lognormal", "exponential", "constant"]

DEFAULT_TIMEOUT_S: Final = 5.0  # Azure's default of request_timeout_ms
DEFAULT_SLO_S: Final = 0.5  # Azure's default of max_queue_wait_ms


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A model and the machines it runs on.

    A request takes `service_s` on average, an instance `warmup_s` until it can take requests:
    log-normal, with the standard deviation as a share of the mean in `service_cv` and `warmup_cv`
    (run times of functions are log-normal: Shahrad et al., USENIX ATC 2020). `slots`: requests that
    an instance runs at once. `cores`: what one request keeps busy while it runs. A request that has
    not begun after `timeout_s` is given up. `slo_s`: the wait that is promised. `price`: of an
    instance, per hour, from its launch to its end.
    """

    service_s: float = 0.2
    service_cv: float = 0.5
    spread: Spread = "lognormal"
    warmup_s: float = 5.0
    warmup_cv: float = 0.2
    slots: int = 1
    cores: float = 1.0
    timeout_s: float = DEFAULT_TIMEOUT_S
    slo_s: float = DEFAULT_SLO_S
    price: float = 0.30

    def draw_service_s(self, rng: random.Random) -> float:
        """Return how long one request runs."""
        if self.spread == "exponential":
            return rng.expovariate(1 / self.service_s)
        if self.spread == "constant":
            return self.service_s
        return _lognormal(rng, self.service_s, self.service_cv)

    def draw_warmup_s(self, rng: random.Random) -> float:
        """Return how long one instance takes to become ready."""
        return _lognormal(rng, self.warmup_s, self.warmup_cv)


def _lognormal(rng: random.Random, mean: float, cv: float) -> float:
    if mean <= 0 or cv <= 0:
        return mean
    variance = math.log1p(cv * cv)
    return rng.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))
