"""The reports as a table: for a terminal, and for docs/reliability.md."""

import platform
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from tests.chaos.load import Plan
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


def head(plan: Plan) -> str:
    """What all rows of a table have in common."""
    return (
        f"Seed {plan.seed}, {plan.rate:g} requests/s for {plan.seconds:g} s a row, Python "
        f"{platform.python_version()}, {platform.system()} {platform.release()}."
    )


def lines_of(report: Report) -> tuple[str, str]:
    """The line of the table, and the line of evidence."""
    evidence = f"- {report.row.title}: {report.evidence}."
    if report.objections:
        evidence += f" **Not as promised**: {'; '.join(report.objections)}."
    return f"| {' | '.join(cells(report))} |", evidence


def markdown(reports: Sequence[Report]) -> str:
    """The table and the evidence for the page."""
    rows = [lines_of(report) for report in reports]
    lines = [
        head(reports[0].plan),
        "",
        f"| {' | '.join(HEADS)} |",
        f"|{'---|' * len(HEADS)}",
        *(row for row, _ in rows),
        "",
        "Evidence that each fault struck:",
        "",
        *(evidence for _, evidence in rows),
    ]
    return "\n".join(lines)


def write(text: str, page: Path = PAGE, begin: str = BEGIN, end: str = END) -> None:
    """Put the table where the page has it."""
    before, _, rest = page.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")


def refresh(reports: Sequence[Report], page: Path = PAGE) -> bool:
    """Replace single rows of a table that was made with the same load; False if it was not."""
    lines = page.read_text("utf-8").splitlines()
    if head(reports[0].plan) not in lines:
        return False
    for report in reports:
        row, evidence = lines_of(report)
        starts = {f"| {report.row.title} |": row, f"- {report.row.title}: ": evidence}
        for start, new in starts.items():
            lines = [new if line.startswith(start) else line for line in lines]
    page.write_text("\n".join(lines) + "\n", "utf-8")
    return True
