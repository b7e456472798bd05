"""`make chaos`: every fault under load, and the table of docs/reliability.md.

python -m tests.chaos.run --only worker,broker --seed 7 --seconds 8 --rate 200
"""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from tests.chaos import trial
from tests.chaos.load import Load, Plan
from tests.chaos.rows import ROWS, Row
from tests.chaos.table import markdown, refresh, shown, write
from tests.chaos.trial import Report
from tests.chaos.troubles import CannotError

WIDTH = 180


def chosen(only: str) -> list[Row]:
    """Return the rows to run."""
    names = {name.strip() for name in only.split(",") if name.strip()}
    if unknown := names - {row.name for row in ROWS}:
        known = ", ".join(row.name for row in ROWS)
        raise click.BadParameter(f"no such row: {', '.join(sorted(unknown))}; there are {known}")
    return [row for row in ROWS if not names or row.name in names]


def run_row(row: Row, plan: Plan, folder: Path, console: Console) -> Report | None:
    """Run one row with its progress in sight; None if this machine does not let us.

    Raises:
        Exception: whatever kept the row from its end.
    """
    total = round(plan.seconds * plan.rate)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(row.title, total=total)

        def show(load: Load) -> None:
            progress.update(task, completed=load.sent)

        try:
            report = asyncio.run(trial.run(row, plan, folder / row.name, on_progress=show))
        except CannotError as exc:
            console.print(f"{row.name}: SKIPPED: {exc}", style="bold red")
            return None
    verdict = "as promised" if not report.objections else "; ".join(report.objections)
    console.print(f"{row.name}: {verdict} ({report.took_s:.0f} s)")
    console.print(f"  {report.evidence}", style="dim")
    return report


@click.command()
@click.option("--only", default="", help="Rows to run, by comma; default all.")
@click.option("--seed", default=1, show_default=True, help="The same seed sends the same.")
@click.option("--seconds", default=5.0, show_default=True, help="Length of the load of a row.")
@click.option("--rate", default=200.0, show_default=True, help="Requests per second.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep logs and state here.")
def main(only: str, seed: int, seconds: float, rate: float, keep: Path | None) -> None:
    """Hurt a mesh under load in every way there is a row for."""
    logging.basicConfig(level=logging.ERROR)  # that the broker goes is no news here
    console, rows = Console(), chosen(only)
    plan = Plan(seed=seed, seconds=seconds, rate=rate)
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        reports, broken = run_rows(rows, plan, keep or Path(scratch), console)
    Console(width=max(console.width, WIDTH)).print(shown(reports))
    if reports and not broken:
        refresh(reports) if only else write(markdown(reports))
    if broken or any(report.objections for report in reports):
        sys.exit(1)


def run_rows(
    rows: list[Row], plan: Plan, folder: Path, console: Console
) -> tuple[list[Report], list[str]]:
    """Run all rows; return their reports, and which came to no end."""
    reports, broken = [], []
    for row in rows:
        try:
            report = run_row(row, plan, folder, console)
        except Exception:
            console.print_exception()
            broken.append(row.name)
        else:
            reports += [report] if report is not None else []
    return reports, broken


if __name__ == "__main__":
    main()
