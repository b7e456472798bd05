"""The reports as a table: for a terminal, and for docs/reliability.md."""

import platform
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from tests.chaos.trial import Report

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"
HEADS = (
    *("fault", "sent", "refused", "accepted", "answered once", "by error", "answer_unknown"),
    *("cut", "lost", "duplicated", "dead work", "longest gap", "slowest", "redelivered"),
)


def cells(report: Report) -> list[str]:
    """One row."""
    verdict = report.verdict
    errors = ", ".join(f"{count} x {error}" for error, count in sorted(verdict.errors.items()))
    return [
        report.row.title,
        str(verdict.sent),
        str(verdict.refused),
        str(verdict.accepted),
        str(verdict.answered_once),
        errors or "0",
        str(verdict.answer_unknown),
        str(verdict.cut),
        str(verdict.lost),
        str(verdict.duplicated),
        str(verdict.dead_work),
        f"{verdict.longest_gap_s:.2f} s",
        f"{verdict.slowest_s:.2f} s",
        str(verdict.redelivered),
    ]


def shown(reports: Sequence[Report]) -> Table:
    """The table for a terminal; rows that broke a promise are red."""
    table = Table(*HEADS)
    for report in reports:
        table.add_row(*cells(report), style="red" if report.objections else None)
    return table


def markdown(reports: Sequence[Report]) -> str:
    """The table and the evidence for the page."""
    plan = reports[0].plan
    lines = [
        f"Seed {plan.seed}, {plan.rate:g} requests/s for {plan.seconds:g} s a row, Python "
        f"{platform.python_version()}, {platform.system()} {platform.release()}.",
        "",
        f"| {' | '.join(HEADS)} |",
        f"|{'---|' * len(HEADS)}",
        *(f"| {' | '.join(cells(report))} |" for report in reports),
        "",
        "Evidence that each fault struck:",
        "",
        *(f"- {report.row.title}: {report.evidence}." for report in reports),
    ]
    return "\n".join(lines)


def write(text: str, page: Path = PAGE) -> None:
    """Put the table where the page has it."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")
