"""How a simulation looks to people, and to machines. Ring: values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table

from mesh.cli.output import new_table
from mesh.cli.views import fields
from mesh.scaling.simulation.ideal import Ideal
from mesh.scaling.simulation.outcome import Outcome, Waits
from mesh.scaling.simulation.question import Question
from mesh.scaling.simulation.service import Service
from mesh.scaling.simulation.trace import Trace
from mesh.spec.scale import ScaleSettings

BOUNDS: Final = ("min_instances", "max_instances")


class TraceView(msgspec.Struct, frozen=True, kw_only=True):
    """A demand, in short."""

    name: str
    seconds: float
    requests: int
    peak_per_s: float
    about: str

    @classmethod
    def of(cls, trace: Trace) -> TraceView:
        """Describe a demand."""
        return cls(
            name=trace.name,
            seconds=trace.end_s,
            requests=round(trace.requests),
            peak_per_s=trace.peak_per_s,
            about=trace.about,
        )


class SimulationView(msgspec.Struct, frozen=True, kw_only=True):
    """What was simulated, and what came of it."""

    trace: TraceView
    policy: ScaleSettings
    service: Service
    outcome: Outcome
    late_share: float
    mean_instances: float
    ideal: Ideal

    @classmethod
    def of(
        cls, question: Question, policy: ScaleSettings, outcome: Outcome, ideal: Ideal
    ) -> SimulationView:
        """Put it together."""
        return cls(
            trace=TraceView.of(question.trace),
            policy=policy,
            service=question.service,
            outcome=outcome,
            late_share=outcome.late_share,
            mean_instances=outcome.mean_instances,
            ideal=ideal,
        )


def trace_list(views: Iterable[TraceView]) -> Table:
    """Demands, a row each."""
    table = new_table("Name", "Length", "Requests", "At most", "What it is")
    for view in views:
        length, peak = duration_text(view.seconds), f"{view.peak_per_s:.0f}/s"
        table.add_row(view.name, length, str(view.requests), peak, view.about)
    return table


def simulation_details(view: SimulationView, *, with_changes: bool) -> RenderableType:
    """A simulation beside the ideal, and each change of the count if that is asked for."""
    parts: list[RenderableType] = [_head(view), "", _figures(view)]
    if with_changes:
        parts += ["", _changes(view.outcome)]
    return Group(*parts)


def duration_text(seconds: float) -> str:
    """A length of time as people say it: 1 h 5 min, 90 s."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:g} s"
    hours, rest = divmod(minutes, 60)
    return " ".join(f"{n} {unit}" for n, unit in ((hours, "h"), (rest, "min")) if n)


def _head(view: SimulationView) -> Table:
    trace, scale, service = view.trace, view.policy, view.service
    spread = f"{service.service_s:g} s per request, {service.spread}"
    if service.spread == "lognormal":
        spread += f" with a deviation of {service.service_s * service.service_cv:g} s"
    return fields(
        [
            ("Trace", f"{trace.name}: {trace.about}".removesuffix(": ")),
            (
                "Demand",
                f"{duration_text(trace.seconds)}, {view.outcome.requests} requests, "
                f"{trace.peak_per_s:.0f}/s at most",
            ),
            (
                "Policy",
                f"{scale.min_instances} to {scale.max_instances} instances{_targets(scale)}",
            ),
            (
                "Service",
                f"{spread}; {service.slots} at once; {service.warmup_s:g} s to start",
            ),
        ]
    )


def _targets(scale: ScaleSettings) -> str:
    """What else is set, in the words of the file."""
    told = msgspec.to_builtins(scale)
    rest = {key: told[key] for key in told if key not in ("type", *BOUNDS)}
    texts = [f"{key} {len(set_) if isinstance(set_, list) else set_}" for key, set_ in rest.items()]
    return "".join(f", {text}" for text in texts)


def _figures(view: SimulationView) -> Table:
    outcome, ideal, service = view.outcome, view.ideal, view.service
    table = new_table("", "Simulated", "Ideal")
    late = f"{outcome.late_share:.2%} ({outcome.late})"
    table.add_row(f"Late: waited more than {service.slo_s:g} s, or not answered", late, "0")
    table.add_row("Refused, given up", f"{outcome.refused}, {outcome.timed_out}", "")
    table.add_row("Wait: mean", f"{outcome.waits.mean_s:.3f} s", "")
    table.add_row("Wait: 50, 95, 99%, most", _waits_text(outcome.waits), "")
    seconds = outcome.seconds
    table.add_row(
        "Instances: mean, most",
        f"{outcome.mean_instances:.1f}, {outcome.most_instances}",
        f"{ideal.worker_s / seconds:.1f}, {ideal.most_instances}",
    )
    table.add_row("Worker-seconds", f"{outcome.worker_s:.0f}", f"{ideal.worker_s:.0f}")
    table.add_row("Cost", f"{outcome.cost:.2f}", f"{ideal.cost:.2f}")
    table.add_row("Changes", str(len(outcome.changes)), "")
    return table


def _waits_text(waits: Waits) -> str:
    times = (waits.p50_s, waits.p95_s, waits.p99_s, waits.most_s)
    return ", ".join(f"{time_s:.3f}" for time_s in times) + " s"


def _changes(outcome: Outcome) -> Table:
    table = new_table("At", "Instances", "Reason")
    for change in outcome.changes:
        table.add_row(f"{change.at_s:.2f} s", f"{change.before} -> {change.after}", change.reason)
    return table
