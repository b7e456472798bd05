"""The order of a run: every server once in each round, in turns, nothing else running."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import load, processes
from benchmarks.figures import Sample
from benchmarks.servers import Server

CONNECTIONS: Final = (1, 32, 256)
WARM_UP_S: Final = 1.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    rounds: int = 5
    seconds: float = 5.0
    connections: tuple[int, ...] = CONNECTIONS


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One server's part of a round: its samples and what its processes held at the end."""

    samples: list[Sample]
    resident_mib: dict[str, float]


def run(servers: Sequence[Server], plan: Plan) -> list[tuple[str, Turn]]:
    """Measure all servers, every other round in the opposite order: none is always first."""
    turns: list[tuple[str, Turn]] = []
    for number in range(plan.rounds):
        order = servers if number % 2 == 0 else tuple(reversed(servers))
        for server in order:
            turns.append((server.name, take_turn(server, number, plan)))
    return turns


def take_turn(server: Server, number: int, plan: Plan) -> Turn:
    """Start a server, warm it up, load it, check it, end it."""
    with (
        tempfile.TemporaryDirectory(prefix="mesh-bench-") as home,
        server.open(Path(home)) as target,
    ):
        loads = [c for c in plan.connections if c in (server.connections or plan.connections)]
        load.wrk(target, max(plan.connections), WARM_UP_S)
        samples = []
        for connections in loads:
            samples.append(server.measure(server.name, number, target, connections, plan.seconds))
            _tell(samples[-1])
        load.wait_until_right(target, timeout_s=5)
        return Turn(samples=samples, resident_mib=processes.resident_mib(target.pid))


def _tell(sample: Sample) -> None:
    print(
        f"round {sample.round + 1}  {sample.server:<10} c={sample.connections:<4}"
        f"{sample.requests_per_s:8.0f} req/s  p50 {sample.p50_ms:7.2f} ms  "
        f"p99 {sample.p99_ms:8.2f} ms  {sample.cpu_us:6.0f} us CPU",
        file=sys.stderr,
        flush=True,
    )
