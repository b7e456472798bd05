"""The comparison for people: the table, the sentences below it, and where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.scaling.figures import IDEAL, Row, Verdict

HEADS: Final = (
    "trace",
    "policy",
    "late (smallest to largest)",
    "refused, given up",
    "mean wait, 99%",
    "worker-seconds",
    "of ideal",
    "most",
    "changes",
)


def table(rows: Sequence[Row], titles: dict[str, str]) -> str:
    """Write the whole table, ours and theirs, as Markdown."""
    ideals = {row.trace: row.worker_s for row in rows if row.policy == IDEAL}
    lines = [f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}"]
    for row in rows:
        low, high = row.late_shares
        cells = (
            row.trace,
            titles.get(row.policy, row.policy),
            f"{row.late_share:.2%} ({low:.2%} to {high:.2%})",
            f"{row.lost_share:.2%}",
            f"{row.wait_mean_s * 1000:.0f} ms, {row.wait_p99_s * 1000:.0f} ms",
            f"{row.worker_s:.0f}",
            f"{row.worker_s / ideals[row.trace]:.2f}",
            str(row.most_instances),
            f"{row.changes:.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def sentences(found: Iterable[Verdict], titles: dict[str, str]) -> list[str]:
    """Say of each trace on which side ours is, losses too."""
    by_trace: dict[str, list[Verdict]] = {}
    for one in found:
        by_trace.setdefault(one.trace, []).append(one)
    return [
        f"- `{trace}`: " + "; ".join(f"{titles[one.other]}: {_side(one)}" for one in all_of_it)
        for trace, all_of_it in by_trace.items()
    ]


def won(found: Iterable[Verdict]) -> list[str]:
    """Return the traces on which ours is on the better side of all others on both axes."""
    lost, traces = set(), []
    for one in found:
        if one.trace not in traces:
            traces.append(one.trace)
        if not one.is_won:
            lost.add(one.trace)
    return [trace for trace in traces if trace not in lost]


def put(page: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two lines of a page.

    Raises:
        ValueError: the lines are not there.
    """
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page}: has no {begin} and {end}")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def _side(one: Verdict) -> str:
    late = "no more late" if one.fewer_late else "**more late**"
    paid = "no dearer" if one.cheaper else "**dearer**"
    return f"{late}, {paid}"
