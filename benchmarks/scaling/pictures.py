"""The comparison as pictures: what each policy pays and misses, and its counts over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib import pyplot

from benchmarks.scaling.figures import IDEAL, Run
from mesh.scaling.simulation.ideal import Ideal
from mesh.scaling.simulation.outcome import Outcome

COLOURS: Final = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple")
MINUTE_S: Final = 60.0


def prepare() -> None:
    """No window, and the same bytes for the same picture."""
    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "serving-mesh"


def axes_of(path: Path, runs: Sequence[Run], titles: Mapping[str, str]) -> None:
    """Draw each run as a point: worker-seconds to the right, late requests upwards."""
    traces = list(dict.fromkeys(run.trace for run in runs))
    figure, panels = pyplot.subplots(1, len(traces), figsize=(11, 3.6), layout="constrained")
    for panel, trace in zip(panels, traces, strict=True):
        for colour, name in zip(COLOURS, titles, strict=False):
            points = [run for run in runs if (run.trace, run.policy) == (trace, name)]
            late = [100 * run.late / run.requests for run in points]
            paid = [run.worker_s for run in points]
            panel.scatter(paid, late, s=22, color=colour, alpha=0.7, label=titles[name])
        ideals = [run.worker_s for run in runs if (run.trace, run.policy) == (trace, IDEAL)]
        panel.axvline(min(ideals), color="tab:gray", linestyle="--", linewidth=0.8, label="ideal")
        panel.set_yscale("symlog", linthresh=0.1)
        panel.set_ylim(bottom=0)
        panel.set_xlim(left=0)
        panel.set_title(trace)
        panel.set_xlabel("worker-seconds")
    panels[0].set_ylabel("late, %")
    panels[-1].legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def counts_of(
    path: Path, outcomes: Mapping[str, Outcome], ideal: Ideal, titles: Mapping[str, str]
) -> None:
    """Draw how many instances each policy wanted during one trace."""
    figure, panels = pyplot.subplots(
        2, 1, figsize=(11, 5.5), sharex=True, height_ratios=(1, 2), layout="constrained"
    )
    first = next(iter(outcomes.values()))
    times = [sample.at_s / MINUTE_S for sample in first.samples]
    panels[0].plot(times, [sample.offered_per_s for sample in first.samples], linewidth=0.7)
    panels[0].set_ylabel("requests/s")
    panels[0].set_title(first.trace)
    windows = [number * ideal.window_s / MINUTE_S for number in range(len(ideal.counts))]
    panels[1].fill_between(
        windows, ideal.counts, step="post", color="tab:gray", alpha=0.35, label="ideal"
    )
    for colour, (name, outcome) in zip(COLOURS, outcomes.items(), strict=False):
        wanted = [sample.wanted for sample in outcome.samples]
        panels[1].step(times, wanted, where="post", linewidth=0.9, color=colour, label=titles[name])
    panels[1].set_ylabel("instances wanted")
    panels[1].set_xlabel("minutes")
    panels[1].legend(loc="upper left", fontsize="small")
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
