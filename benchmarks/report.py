"""The run as a Markdown table for people and as JSON for programs. Ring: values, and one write."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.figures import OURS, PAIR, TARGETS, Figure, Sample, Samples, is_met, ratios
from benchmarks.rounds import Plan, Turn

ROOT: Final = Path(__file__).parents[1]
# What the gateway and the supervisor may hold, in MiB, by the module they run as.
MEMORY_LIMITS_MIB: Final = {"gateway": 120.0, "workers": 80.0}
VERDICT: Final = {True: "met", False: "**missed**", None: ""}


def machine() -> dict[str, Any]:
    """What it ran on."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def commit(checkout: Path = ROOT) -> str:
    """The commit of a checkout, marked if it was changed since."""
    words = ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    done = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def memory(turns: Sequence[tuple[str, Turn]], server: str = OURS) -> dict[str, float]:
    """The most each kind of process of ours held at the end of a turn, in MiB."""
    most: dict[str, float] = {}
    for name, turn in turns:
        for role, size in turn.resident_mib.items() if name == server else ():
            most[role] = round(max(most.get(role, 0.0), size), 1)
    return most


def document(
    turns: Sequence[tuple[str, Turn]], plan: Plan, found: Mapping[str, Figure]
) -> dict[str, Any]:
    """The whole run, as `results/latest.json` keeps it."""
    samples = [sample for _, turn in turns for sample in turn.samples]
    return {
        "commit": commit(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "plan": msgspec.to_builtins(plan),
        "ratios": nested({name: round(value.median, 3) for name, value in found.items()}),
        "spread": nested({name: [value.low, value.high] for name, value in found.items()}),
        "resident_mib": memory(turns),
        "samples": msgspec.to_builtins(samples),
    }


def nested(flat: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Turn `{"c1.x": 1}` into `{"c1": {"x": 1}}`."""
    tree: dict[str, dict[str, Any]] = {}
    for name, value in flat.items():
        group, key = name.split(".", 1)
        tree.setdefault(group, {})[key] = value
    return tree


def markdown(turns: Sequence[tuple[str, Turn]], titles: Mapping[str, str]) -> str:
    """The tables that `make bench` prints."""
    samples = Samples([sample for _, turn in turns for sample in turn.samples])
    groups = (samples.without(PAIR), samples.only(PAIR))
    parts = [throughput_table(group, titles) for group in groups if group.servers]
    if found := ratios(samples):
        parts.append(ratio_table(found))
    if OURS in samples.servers:
        parts.append(cpu_table(samples.only((OURS,))))
        parts.append(memory_table(memory(turns)))
    return "\n\n".join(parts)


def throughput_table(samples: Samples, titles: Mapping[str, str]) -> str:
    """One row per server, one column per number of connections."""
    heads = [f"c={c}: req/s (spread), p50, p99 ms, CPU us" for c in samples.connections]
    rows = [
        [titles.get(name, name), *(cell(samples, name, c) for c in samples.connections)]
        for name in samples.servers
    ]
    return table(["server", *heads], rows)


def cell(samples: Samples, server: str, connections: int) -> str:
    """The medians of one server at one number of connections."""

    def median(field: str) -> float:
        return samples.figure(server, connections, lambda s: float(getattr(s, field))).median

    rate = samples.figure(server, connections, _rate)
    return (
        f"{rate.median:.0f} ({rate.spread_percent:.0f} %), {median('p50_ms'):.2f}, "
        f"{median('p99_ms'):.1f}, {median('cpu_us'):.0f}"
    )


def _rate(sample: Sample) -> float:
    return sample.requests_per_s


def ratio_table(found: Mapping[str, Figure]) -> str:
    """The ratios beside what they must reach."""
    rows = []
    for name, value in found.items():
        bound = f"{TARGETS[name][0]:g}" if name in TARGETS else ""
        verdict = VERDICT[is_met(name, value.median)]
        spread = f"{value.low:.2f} to {value.high:.2f}"
        rows.append([name, f"{value.median:.2f}", spread, bound, verdict])
    return table(["ratio", "median", "spread", "target", ""], rows)


def cpu_table(samples: Samples) -> str:
    """Where the CPU time of a request of ours goes: median microseconds, by process."""
    loads = samples.connections
    roles = sorted(
        {role for c in loads for s in samples.of(OURS, c) for role in s.cpu_us_per_request}
    )
    rows = [
        [role, *(f"{samples.figure(OURS, c, cpu_of(role)).median:.0f}" for c in loads)]
        for role in roles
    ]
    return table(["CPU us a request", *(f"c={c}" for c in loads)], rows)


def cpu_of(role: str) -> Callable[[Sample], float]:
    """Return what reads one process's share from a sample."""
    return lambda sample: sample.cpu_us_per_request.get(role, 0.0)


def memory_table(most: Mapping[str, float]) -> str:
    """Resident memory of our processes."""
    rows = []
    for role, size in sorted(most.items()):
        limit = MEMORY_LIMITS_MIB.get(role)
        verdict = "" if limit is None else VERDICT[size <= limit]
        rows.append([role, f"{size:.0f}", "" if limit is None else f"{limit:.0f}", verdict])
    return table(["process", "resident MiB", "limit", ""], rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a run where programs look for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
