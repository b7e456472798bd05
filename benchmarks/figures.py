"""What the samples say: medians, spreads and ratios of servers measured in turns. Ring: values.

Servers are compared within a round, where they met the same weather, and the median of the rounds'
ratios is taken; the spread is the smallest and the largest of them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import msgspec

OURS: Final = "mesh"
FLOOR: Final = "floor"
# A pair of its own, asked in Triton's protocol: a model repository without and with the mesh.
TRITON: Final = "triton"
THROUGH: Final = "mesh-triton"
PAIR: Final = (TRITON, THROUGH)
# What must be reached: name -> (bound, whether more is better).
TARGETS: Final[dict[str, tuple[float, bool]]] = {
    "c1.added_p50_ms": (0.9, False),
    "c32.floor": (0.42, True),
    "c32.best_peer": (1.9, True),
    "c256.floor": (0.6, True),
    "c256.best_peer": (2.5, True),
    "triton.added_p50_ms": (1.5, False),
}


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the load generator against one server; CPU time by what its processes run."""

    server: str
    round: int
    connections: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    cpu_us_per_request: dict[str, float]

    @property
    def cpu_us(self) -> float:
        """CPU time a request took in all processes of the server together."""
        return sum(self.cpu_us_per_request.values())


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A median with the smallest and largest value it was taken from."""

    median: float
    low: float
    high: float

    @property
    def spread_percent(self) -> float:
        """How far apart the extremes are, in percent of the median."""
        return 100 * (self.high - self.low) / abs(self.median) if self.median else 0.0


def figure(values: Iterable[float]) -> Figure:
    """Sum up the rounds' values."""
    rounds = list(values)
    return Figure(median=statistics.median(rounds), low=min(rounds), high=max(rounds))


class Samples:
    """All samples of a run, by server and number of connections, in order of their rounds."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._all = samples

    def __repr__(self) -> str:
        return f"<Samples {len(self._all)} of {', '.join(self.servers)}>"

    @property
    def servers(self) -> list[str]:
        """The servers, in the order they were first measured."""
        return list(dict.fromkeys(sample.server for sample in self._all))

    @property
    def connections(self) -> list[int]:
        """The numbers of connections, ascending."""
        return sorted({sample.connections for sample in self._all})

    def of(self, server: str, connections: int) -> list[Sample]:
        """The samples of one server at one number of connections, one per round."""
        return [s for s in self._all if (s.server, s.connections) == (server, connections)]

    def figure(self, server: str, connections: int, value: Callable[[Sample], float]) -> Figure:
        """Sum up one value of these samples."""
        return figure(map(value, self.of(server, connections)))

    def throughput_ratio(self, server: str, other: str, connections: int) -> Figure:
        """How many times the requests per second of `other` the server has."""
        return self.ratio(server, other, connections, lambda s: s.requests_per_s)

    def ratio(
        self, server: str, other: str, connections: int, value: Callable[[Sample], float]
    ) -> Figure:
        """A value of the server over that of `other`, round by round."""
        pairs = zip(self.of(server, connections), self.of(other, connections), strict=True)
        return figure(value(ours) / value(theirs) for ours, theirs in pairs)

    def added_p50_ms(self, server: str, other: str, connections: int) -> Figure:
        """How much longer the median request takes than with `other`."""
        pairs = zip(self.of(server, connections), self.of(other, connections), strict=True)
        return figure(ours.p50_ms - theirs.p50_ms for ours, theirs in pairs)

    def only(self, servers: Collection[str]) -> Samples:
        """The samples of these servers."""
        return Samples([sample for sample in self._all if sample.server in servers])

    def without(self, servers: Collection[str]) -> Samples:
        """The samples of all other servers."""
        return self.only(set(self.servers) - set(servers))

    def best_peer(self, connections: int) -> str | None:
        """The peer with the most requests per second; None if no peer was measured."""
        peers = [name for name in self.servers if name not in (OURS, FLOOR)]
        return max(peers, key=lambda name: self._rate(name, connections), default=None)

    def _rate(self, server: str, connections: int) -> float:
        return self.figure(server, connections, lambda s: s.requests_per_s).median


def ratios(samples: Samples) -> dict[str, Figure]:
    """The ratios the project is held to, as far as what was measured gives them."""
    return scoring_ratios(samples.without(PAIR)) | triton_ratios(samples)


def triton_ratios(samples: Samples) -> dict[str, Figure]:
    """What the mesh adds to the median request of a Triton client, and leaves of throughput."""
    if not set(PAIR) <= set(samples.servers):
        return {}
    found: dict[str, Figure] = {}
    for connections in samples.only(PAIR).connections:
        if connections == 1:
            found["triton.added_p50_ms"] = samples.added_p50_ms(THROUGH, TRITON, 1)
        else:
            ratio = samples.throughput_ratio(THROUGH, TRITON, connections)
            found[f"triton.c{connections}_throughput"] = ratio
    return found


def scoring_ratios(samples: Samples) -> dict[str, Figure]:
    """How the mesh does beside the floor and its peers."""
    found: dict[str, Figure] = {}
    if OURS not in samples.servers:
        return found
    for connections in samples.connections:
        peer = samples.best_peer(connections)
        if FLOOR in samples.servers and connections == 1:
            found["c1.added_p50_ms"] = samples.added_p50_ms(OURS, FLOOR, 1)
        elif FLOOR in samples.servers:
            ratio = samples.throughput_ratio(OURS, FLOOR, connections)
            found[f"c{connections}.floor"] = ratio
        if peer is not None and connections > 1:
            ratio = samples.throughput_ratio(OURS, peer, connections)
            found[f"c{connections}.best_peer"] = ratio
    return found


def is_met(name: str, value: float) -> bool | None:
    """Whether a ratio reaches its target; None if it has none."""
    if name not in TARGETS:
        return None
    bound, more_is_better = TARGETS[name]
    return value >= bound if more_is_better else value <= bound
