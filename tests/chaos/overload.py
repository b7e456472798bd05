"""`make overload`: three times what a model can do, for a minute, and what becomes of it.

python -m tests.chaos.overload --seconds 60 --rate 600
"""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.chaos import broker_end, figures, oracle, table
from tests.chaos.figures import Figure
from tests.chaos.gauges import Gauges, Sample
from tests.chaos.journal import Journal, read_entries, read_runs
from tests.chaos.load import Load, Plan
from tests.chaos.oracle import Case, Verdict
from tests.chaos.programs import plan as programs
from tests.chaos.victim import Victim

SLOTS = 4
MOST = 4
SCALE = f"scale_settings: {{type: target_utilization, max_instances: {MOST}}}"
BEGIN, END = "<!-- overload: begin -->", "<!-- overload: end -->"
HEADS = ("figure", "measured", "wanted")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one load."""

    cases: list[Case]
    verdict: Verdict
    samples: list[Sample]


async def press(plan: Plan, folder: Path, more: str, on_progress: Callable[[], None]) -> Outcome:
    """Put a deployment of one instance with four slots under load, in a folder of its own."""
    victim = Victim(folder)
    journal = Journal(folder / "asked.jsonl")
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(journal.close)
        stack.push_async_callback(asyncio.to_thread, victim.close)
        programs.Plan().write(folder / programs.FILE)
        await asyncio.to_thread(victim.up)
        door = await asyncio.to_thread(victim.serve, more, SLOTS, 1)
        bus = await victim.admin()
        stack.push_async_callback(bus.close)
        load, gauges = Load(plan, door, journal), Gauges(victim, bus)
        looking = asyncio.create_task(gauges.run())
        ending = asyncio.create_task(_end_looking(looking, plan.seconds))
        await load.run(on_progress)
        await ending
        broker = await broker_end.settled(bus)
        surplus = await load.close()
    broker = msgspec.structs.replace(broker, overwritten=broker.overwritten + surplus)
    entries, runs = read_entries(journal.path), read_runs(victim.runs)
    cases = oracle.cases_of(entries)
    oracle.add_runs(cases, runs)
    return Outcome(
        cases=list(cases.values()),
        verdict=oracle.judge(entries, runs, broker),
        samples=gauges.samples,
    )


async def _end_looking(looking: asyncio.Task[None], seconds: float) -> None:
    """Look as long as the load comes, and no longer."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(looking, seconds)


def run_with_progress(title: str, plan: Plan, folder: Path, more: str) -> Outcome:
    """Run one load with its progress in sight."""
    with Progress(transient=True) as progress:
        task = progress.add_task(title, total=round(plan.seconds * plan.rate))
        return asyncio.run(press(plan, folder, more, lambda: progress.advance(task)))


def shown(title: str, lines: list[Figure]) -> Table:
    """The figures for a terminal; those that were missed are red."""
    made = Table(*HEADS, title=title)
    for line in lines:
        made.add_row(
            line.what, line.measured, line.wanted, style=None if line.is_met else "bold red"
        )
    return made


def markdown(title: str, lines: list[Figure]) -> str:
    """The figures for the page."""
    rows = [
        f"| {line.what} | {line.measured}{'' if line.is_met else ' **missed**'} | {line.wanted} |"
        for line in lines
    ]
    return "\n".join(
        [f"{title}:", "", f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}", *rows]
    )


def machine() -> str:
    """How much there is to share, and how busy it has been, with us and whatever else runs."""
    return f"{os.cpu_count()} cores, load average {os.getloadavg()[1]:.1f} over the last 5 minutes."


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="Length of each load.")
@click.option("--rate", default=600.0, show_default=True, help="Requests per second.")
@click.option("--seed", default=1, show_default=True, help="In the ids of the requests.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep logs and state here.")
@click.option("--write/--no-write", default=True, help="Put the figures into the page.")
def main(seconds: float, rate: float, seed: int, keep: Path | None, write: bool) -> None:
    """Offer a deployment more than it can do, first as it is, then with autoscaling on."""
    plan = Plan(seed=seed, seconds=seconds, rate=rate, shares={"http": 1.0})
    with tempfile.TemporaryDirectory(prefix="overload-") as scratch:
        folder = keep or Path(scratch)
        fixed = run_with_progress("one instance", plan, folder / "fixed", "")
        scaled = run_with_progress("autoscaling", plan, folder / "scaled", SCALE)
    tables = {
        "One instance": figures.of_overload(fixed.cases, fixed.verdict, fixed.samples, rate),
        f"Autoscaling, {MOST} instances at most": figures.of_scaling(
            scaled.cases, scaled.verdict, scaled.samples, rate, MOST
        ),
    }
    for title, lines in tables.items():
        Console().print(shown(title, lines))
    if write:
        made = [markdown(title, lines) for title, lines in tables.items()]
        table.write("\n\n".join([f"{table.head(plan)} {machine()}", *made]), begin=BEGIN, end=END)
    if not all(line.is_met for lines in tables.values() for line in lines):
        sys.exit(1)


if __name__ == "__main__":
    main()
