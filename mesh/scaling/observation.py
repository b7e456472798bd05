"""What is known of a deployment's load when a decision is made. Ring: values."""

from __future__ import annotations

import msgspec


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a deployment's load.

    `current`: instances wanted until now. `depth`: requests queued or being worked on, shadows
    apart; None if it is not known. `active`: requests were taken since the last look. `slots` of
    one instance. `service_s`: the time a request takes, `cpu_percent` of one core: the mean of the
    ready instances; None if nobody has told. `proving`: a generation has yet to become ready.
    `offered_per_s`: requests a second that gateways were asked for, `refused_per_s` those of them
    that they refused, which are in no queue; None if nobody has told.

    `at_s` is Unix time, for calendars. `in_flight`: requests that run now. `wait_s`: what the
    next request would wait by the gateways' own forecast. `requests_per_s` were answered, in
    `latency_s` seconds by percentile (50, 90, 95, 99) as clients saw it. `memory_percent` of what
    an instance may have, `gpu_percent` and `gpu_memory_percent`: the mean of the ready instances.
    `startup_s`: how long the last start took, 0 if none was seen. `queries`: what Prometheus said
    to the policy's own queries, by name. `forecast_per_s`: the rate that earlier weeks let expect
    by the time an instance that is started now would be ready. None, or no entry, if not known.
    `paused`: somebody sets the count by hand for now. `latency_mean_s` stands beside `latency_s`.
    """

    current: int
    depth: int | None = 0
    shadows: int = 0
    active: bool = False
    ready: int = 0
    slots: int = 1
    service_s: float | None = None
    cpu_percent: float | None = None
    proving: bool = False
    offered_per_s: float | None = None
    refused_per_s: float | None = None
    at_s: float = 0.0
    in_flight: int | None = None
    wait_s: float | None = None
    requests_per_s: float | None = None
    latency_s: dict[int, float] = {}
    memory_percent: float | None = None
    gpu_percent: float | None = None
    gpu_memory_percent: float | None = None
    startup_s: float = 0.0
    queries: dict[str, float] = {}
    forecast_per_s: float | None = None
    paused: bool = False
    latency_mean_s: float | None = None

    @property
    def working(self) -> int:
        """The ready instances, those apart that only stand by while a generation is replaced."""
        return min(self.ready, self.current)
