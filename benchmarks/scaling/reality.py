"""Whether the simulator is right: a minute with real processes beside its simulation.

python -m benchmarks.scaling.reality

A part of a shipped trace, gone through faster, is sent to a real mesh whose model sleeps for the
times that the simulation draws. What is not the subject (how long a start takes, what the way to
the model adds to a run) is measured in the same run and handed to the simulation.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import httpx
import msgspec
from msgspec.structs import replace

from benchmarks.scaling import report
from benchmarks.scaling.plan import SERVICE
from benchmarks.scaling.sleeper import Door, Ear, listening, serving
from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.simulation.outcome import Outcome
from mesh.scaling.simulation.question import Question
from mesh.scaling.simulation.replay import Replay
from mesh.scaling.simulation.shipped import load_trace
from mesh.scaling.simulation.trace import Trace
from mesh.spec.load import load_scaling

ROOT: Final = Path(__file__).parents[2]
LATEST: Final = ROOT / "benchmarks" / "results" / "scaling-reality.json"
PAGE: Final = ROOT / "docs" / "autoscaling.md"
BEGIN, END = "<!-- reality: begin -->", "<!-- reality: end -->"
POLICY: Final = Path(__file__).parent / "policies" / "reality.yml"
TRACE: Final = "office"
BEGIN_S, LENGTH_S, SPEED, SHARE = 1800.0, 3000.0, 50.0, 0.25  # dawn to noon, in a minute
SHIFT_S: Final = 1.0
STEP_S: Final = 0.25
WITHIN: Final = 1
WAIT_WITHIN: Final = 0.25
PATIENCE_S: Final = 15.0

Steps = Sequence[tuple[float, int]]


class Real(msgspec.Struct, frozen=True, kw_only=True):
    """What the mesh did: waits, and the count from each time on (seconds since the first request).

    `starts_s`: from a decision until all instances were ready. `added_s`: what a slot is taken
    longer by a request than that was told to sleep.
    """

    requests: int
    failed: int
    wait_mean_s: float
    counts: list[tuple[float, int]]
    starts_s: list[float]
    added_s: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The minute and its simulation.

    `apart`: by how many instances they differ at most, where a change may come a second earlier or
    later; `apart_share` of the time they differ by more than one without that.
    """

    real: Real
    simulated_wait_s: float
    simulated_counts: list[tuple[float, int]]
    apart: int
    apart_share: float
    wait_ratio: float

    @property
    def is_met(self) -> bool:
        """Whether counts are within one and the mean wait within a quarter."""
        return self.apart <= WITHIN and abs(self.wait_ratio - 1) <= WAIT_WITHIN


def demand(seed: int) -> Question:
    """What is sent."""
    trace = load_trace(TRACE).part(BEGIN_S, LENGTH_S, speed=SPEED, share=SHARE)
    return Question(trace=trace, service=SERVICE, seed=seed)


async def send(door: Door, question: Question) -> tuple[float, list[int]]:
    """Send each request at its time, whatever becomes of those before; return when it began."""
    headers = {"Authorization": f"Bearer {door.key}", "Content-Type": "application/json"}
    limits = httpx.Limits(max_connections=None)
    statuses: list[int] = []

    async def one(http: httpx.AsyncClient, run_s: float) -> None:
        answer = await http.post(door.url, content=f"{run_s:.6f}", headers=headers)
        statuses.append(answer.status_code)

    requests = list(question.requests())
    async with httpx.AsyncClient(timeout=PATIENCE_S, limits=limits) as http:
        await one(http, 0.2)  # connections and the first measured time are there, as in the model
        async with asyncio.TaskGroup() as group:
            began_s = time.time()
            for at_s, run_s in requests:
                await asyncio.sleep(max(0.0, began_s + at_s - time.time()))
                group.create_task(one(http, run_s))
    return began_s, statuses[1:]


async def measure(door: Door, question: Question) -> Real:
    """Send the demand, and put together what the mesh tells of it."""
    async with listening(door) as ear:
        began_s, statuses = await send(door, question)
        await ear.wait_for_records(len(statuses) + 1, PATIENCE_S)
    answered = [record for record in ear.records if record.status == 200][1:]
    asked = [run_s for _, run_s in question.requests()]
    run_s = statistics.fmean(record.run_ms for record in answered) / 1000
    return Real(
        requests=len(statuses),
        failed=sum(status != 200 for status in statuses),
        wait_mean_s=statistics.fmean(record.queued_ms for record in answered) / 1000,
        counts=[(one.at_s - began_s, one.after) for one in ear.decisions],
        starts_s=list(starts(ear)),
        added_s=run_s - statistics.fmean(asked) + ear.slot_overhead_s,
    )


def starts(ear: Ear) -> Iterator[float]:
    """How long starts took: from each decision for more until as many were ready."""
    for decision in ear.decisions:
        later = (
            at_s
            for at_s, ready in ear.ready
            if at_s > decision.at_s and ready >= decision.after > decision.before
        )
        if (at_s := next(later, None)) is not None:
            yield at_s - decision.at_s


def simulate(question: Question, real: Real) -> Outcome:
    """Simulate the same requests, with the starts and the run times of this machine."""
    service = replace(
        question.service,
        service_s=question.service.service_s + max(0.0, real.added_s),
        warmup_s=statistics.fmean(real.starts_s or [question.service.warmup_s]),
        warmup_cv=0.0,
    )
    scale = load_scaling(POLICY).spec.autoscale
    if scale is None:
        raise ValueError(f"{POLICY}: must scale")
    return Replay(replace(question, service=service), Autoscaler(scale)).run()


def count_at(steps: Steps, at_s: float) -> int:
    """The count at a time; one before the first change."""
    count = 1
    for since_s, after in steps:
        if since_s > at_s:
            break
        count = after
    return count


def apart(real: Steps, simulated: Steps, times: Iterable[float], shift_s: float) -> list[int]:
    """By how many instances they differ at each time, at best within the shift."""
    moves = [shift_s * part / 4 for part in range(-4, 5)]
    return [
        min(abs(count_at(real, at_s) - count_at(simulated, at_s + move)) for move in moves)
        for at_s in times
    ]


def compare(trace: Trace, real: Real, outcome: Outcome) -> Comparison:
    """Lay the two side by side."""
    counts = [(change.at_s, change.after) for change in outcome.changes]
    times = [number * STEP_S for number in range(round(trace.end_s / STEP_S))]
    strict = apart(real.counts, counts, times, 0.0)
    return Comparison(
        real=real,
        simulated_wait_s=outcome.waits.mean_s,
        simulated_counts=counts,
        apart=max(apart(real.counts, counts, times, SHIFT_S)),
        apart_share=sum(one > WITHIN for one in strict) / len(strict),
        wait_ratio=real.wait_mean_s / outcome.waits.mean_s if outcome.waits.mean_s else 0.0,
    )


def told(found: Comparison, trace: Trace) -> str:
    """Both counts, second by second, and the verdict."""
    seconds = range(0, round(trace.end_s), 2)
    real = " ".join(str(count_at(found.real.counts, at_s)) for at_s in seconds)
    simulated = " ".join(str(count_at(found.simulated_counts, at_s)) for at_s in seconds)
    return (
        f"{found.real.requests} requests, {found.real.failed} failed; starts took "
        f"{' '.join(f'{start_s:.2f}' for start_s in found.real.starts_s)} s\n"
        f"instances, every 2 s\n  real       {real}\n  simulated  {simulated}\n"
        f"apart: {found.apart} at most (within {WITHIN} wanted), "
        f"without a shift more than {WITHIN} in {found.apart_share:.1%} of the time\n"
        f"mean wait: {found.real.wait_mean_s * 1000:.1f} ms, simulated "
        f"{found.simulated_wait_s * 1000:.1f} ms, ratio {found.wait_ratio:.2f} "
        f"(within {WAIT_WITHIN:.0%} wanted)\n{'met' if found.is_met else 'MISSED'}"
    )


@click.command()
@click.option("--seed", default=1, show_default=True, help="The chance in the demand.")
@click.option("--write/--no-write", default=True, help="Keep the result.")
def main(seed: int, write: bool) -> None:
    """Run a minute with real processes and compare it with its simulation."""
    question = demand(seed)
    with (
        tempfile.TemporaryDirectory(prefix="reality-") as home,
        serving(Path(home), POLICY.read_text()) as door,
    ):
        real = asyncio.run(measure(door, question))
    found = compare(question.trace, real, simulate(question, real))
    text = told(found, question.trace)
    print(text)
    if write:
        report.put(PAGE, BEGIN, END, f"```text\n{text}\n```")
        LATEST.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    if not found.is_met:
        sys.exit(1)


if __name__ == "__main__":
    main()
