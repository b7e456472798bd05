"""A simulation as a picture. Ring: adapter (matplotlib)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from mesh.errors import SpecError
from mesh.scaling.simulation.ideal import Ideal
from mesh.scaling.simulation.outcome import Outcome
from mesh.scaling.simulation.question import Question

FORMATS: Final = ("png", "svg")
MINUTE_S: Final = 60.0


def refuse_bad_plot(path: Path) -> None:
    """Refuse what cannot be drawn, before anything is simulated.

    Raises:
        SpecError: the file is no picture, or the library is missing.
    """
    if path.suffix.lower().lstrip(".") not in FORMATS:
        raise SpecError(f"--plot {path}: must end in .{' or .'.join(FORMATS)}")
    _library()


def plot(path: Path, question: Question, outcome: Outcome, ideal: Ideal) -> None:
    """Draw demand, counts and waits over time.

    Raises:
        SpecError: the file cannot be written, or the library is missing.
    """
    pyplot = _library()
    figure, panels = pyplot.subplots(3, 1, figsize=(10, 8), sharex=True, layout="constrained")
    times = [sample.at_s / MINUTE_S for sample in outcome.samples]
    _demand(panels[0], times, outcome)
    _counts(panels[1], times, outcome, ideal)
    _waits(panels[2], times, outcome, question.service.slo_s)
    figure.suptitle(f"{outcome.trace}: {summary(outcome, ideal)}")
    try:
        save(figure, path)
    except OSError as exc:
        raise SpecError(f"--plot {path}: cannot be written: {exc.strerror or exc}") from exc
    finally:
        pyplot.close(figure)


def save(figure: Any, path: Path) -> None:
    """Write a picture; the same picture is the same bytes."""
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
    figure.savefig(path, metadata=metadata, dpi=110)


def summary(outcome: Outcome, ideal: Ideal) -> str:
    """What came of it, in a line."""
    return (
        f"{outcome.late_share:.2%} late, {outcome.mean_instances:.1f} instances on average "
        f"(ideal {ideal.worker_s / outcome.seconds:.1f}), cost {outcome.cost:.2f}"
    )


def _library() -> Any:
    try:
        import matplotlib as library  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as exc:
        missing = "matplotlib is missing: pip install 'serving-mesh[plot]'"
        raise SpecError(f"--plot: {missing}") from exc
    library.use("agg")
    library.rcParams["svg.hashsalt"] = "serving-mesh"  # ids in the file: the same each time
    from matplotlib import pyplot  # noqa: PLC0415 - an extra

    return pyplot


def _demand(panel: Any, times: list[float], outcome: Outcome) -> None:
    rates = [sample.offered_per_s for sample in outcome.samples]
    panel.plot(times, rates, linewidth=0.8, label="offered")
    panel.set_ylabel("requests/s")
    panel.legend(loc="upper left")


def _counts(panel: Any, times: list[float], outcome: Outcome, ideal: Ideal) -> None:
    windows = [number * ideal.window_s / MINUTE_S for number in range(len(ideal.counts))]
    wanted = [sample.wanted for sample in outcome.samples]
    ready = [sample.ready for sample in outcome.samples]
    panel.step(windows, ideal.counts, where="post", linewidth=0.8, color="tab:gray", label="ideal")
    panel.step(times, wanted, where="post", linewidth=1.8, color="tab:blue", label="wanted")
    panel.step(times, ready, where="post", linewidth=0.7, color="tab:orange", label="ready")
    panel.set_ylabel("instances")
    panel.legend(loc="upper left")


def _waits(panel: Any, times: list[float], outcome: Outcome, slo_s: float) -> None:
    waits = [sample.wait_s for sample in outcome.samples]
    panel.plot(times, waits, linewidth=0.8, color="tab:red", label="mean wait")
    panel.axhline(slo_s, linewidth=0.8, linestyle="--", color="tab:gray", label="promised")
    panel.set_ylabel("seconds")
    panel.set_xlabel("minutes")
    panel.legend(loc="upper left")
