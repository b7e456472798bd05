"""`make bench-scaling`: our queue policy beside those of others, on the same requests.

python -m benchmarks.scaling.run --seeds 5
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.progress import track

from benchmarks.scaling import pictures, report
from benchmarks.scaling.contenders import CONTENDERS, OURS
from benchmarks.scaling.figures import IDEAL, Run, rows_of, verdicts
from benchmarks.scaling.plan import MIN_INSTANCES, SEEDS, SERVICE, TRACES, TUNED_ON
from mesh.scaling.simulation.ideal import Ideal, ideal_of
from mesh.scaling.simulation.outcome import Outcome
from mesh.scaling.simulation.question import Question
from mesh.scaling.simulation.replay import Replay
from mesh.scaling.simulation.shipped import load_trace

ROOT: Final = Path(__file__).parents[2]
LATEST: Final = ROOT / "benchmarks" / "results" / "scaling.json"
PAGE: Final = ROOT / "docs" / "autoscaling.md"
PICTURES: Final = ROOT / "docs" / "images"
BEGIN, END = "<!-- scaling: begin -->", "<!-- scaling: end -->"
TITLES: Final = {one.name: one.title for one in CONTENDERS}


def main_runs(seeds: tuple[int, ...], draw: bool) -> Iterator[Run]:
    """Replay every trace for every seed through every policy; the first seed is drawn."""
    questions = [
        Question(trace=load_trace(trace), service=SERVICE, begin_with=MIN_INSTANCES, seed=seed)
        for trace in TRACES
        for seed in seeds
    ]
    for question in track(questions, "replaying", transient=True):
        outcomes = {one.name: Replay(question, one.make()).run() for one in CONTENDERS}
        ideal = ideal_of(question, MIN_INSTANCES)
        for name, outcome in outcomes.items():
            yield Run.of(name, outcome)
        yield Run.of_ideal(outcomes[OURS], ideal)
        if draw and question.seed == seeds[0]:
            _draw(outcomes, ideal)


def _draw(outcomes: dict[str, Outcome], ideal: Ideal) -> None:
    path = PICTURES / f"scaling-{outcomes[OURS].trace}.png"
    pictures.counts_of(path, outcomes, ideal, TITLES)


@click.command()
@click.option("--seeds", default=len(SEEDS), show_default=True, help="How many of them.")
@click.option("--write/--no-write", default=True, help="Put table and pictures into the page.")
def main(seeds: int, write: bool) -> None:
    """Compare policies on the shipped traces, print the whole table, and say who is better."""
    pictures.prepare()
    runs = list(main_runs(SEEDS[:seeds], write))
    rows = rows_of(runs)
    found = list(verdicts(rows, OURS))
    titles = {**TITLES, IDEAL: IDEAL}
    made = report.table(rows, titles)
    won = report.won(found)
    said = "\n".join(report.sentences(found, titles))
    last = (
        f"Ours is on the better side of all others on both axes in {len(won)} of {len(TRACES)} "
        f"traces ({', '.join(won) or 'none'}). It was tuned on `{TUNED_ON}`."
    )
    print(f"{made}\n\n{said}\n\n{last}")
    if write:
        LATEST.write_bytes(msgspec.json.format(msgspec.json.encode({"rows": rows, "runs": runs})))
        pictures.axes_of(PICTURES / "scaling.svg", runs, TITLES)
        report.put(PAGE, BEGIN, END, f"{made}\n\n{said}\n\n{last}")


if __name__ == "__main__":
    main()
