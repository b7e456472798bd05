"""`mesh scale simulate` and `traces`: what a policy would do with a demand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any, Final, get_args

import click
import msgspec
from rich.progress import Progress

from mesh.cli.options import SET_HELP, ListCommand, Options, common_options
from mesh.cli.output import console, show, warn
from mesh.cli.simulationviews import SimulationView, TraceView, simulation_details, trace_list
from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.simulation.ideal import Ideal, ideal_of
from mesh.scaling.simulation.outcome import Outcome
from mesh.scaling.simulation.plot import plot, refuse_bad_plot
from mesh.scaling.simulation.question import EPOCH_S, Question
from mesh.scaling.simulation.replay import Replay
from mesh.scaling.simulation.service import Service, Spread
from mesh.scaling.simulation.shipped import load_trace, shipped_names
from mesh.scaling.trigger import scale_rule
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.load import load_scaling
from mesh.spec.scale import ScaleSettings

DEFAULTS = Service()
ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
FROM_ZERO = click.FloatRange(min=0)
NOT_SIMULATED: Final = {
    "target_memory_percentage": "memory",
    "target_gpu_percentage": "a GPU",
    "target_gpu_memory_percentage": "a GPU",
    "CpuMemoryUtilizationPercentage": "memory",
    "GpuUtilizationPercentage": "a GPU",
    "GpuMemoryUtilizationPercentage": "a GPU",
    "queries": "Prometheus",
    "forecast": "the demand of earlier weeks",
}


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What `simulate` was asked for, beside the policy and the demand; None: as in the file."""

    seed: int
    service_s: float
    service_cv: float | None
    spread: Spread
    warmup_s: float
    slots: int | None
    timeout_s: float | None
    slo_s: float
    price: float

    def service(self, spec: DeploymentSpec) -> Service:
        """The service that is simulated; what its file says of requests counts.

        Raises:
            UsageError: a deviation is given for a distribution that has one of its own.
        """
        if self.service_cv is not None and self.spread != "lognormal":
            text = f"--service-cv: {self.spread} has a deviation of its own"
            raise click.UsageError(f"{text}; only lognormal takes one")
        timeout_s = spec.request_settings.request_timeout_ms / 1000
        return Service(
            service_s=self.service_s,
            service_cv=DEFAULTS.service_cv if self.service_cv is None else self.service_cv,
            spread=self.spread,
            warmup_s=self.warmup_s,
            slots=spec.slots if self.slots is None else self.slots,
            timeout_s=timeout_s if self.timeout_s is None else self.timeout_s,
            slo_s=self.slo_s,
            price=self.price,
        )


@click.command(cls=ListCommand)
@click.option(
    "-p",
    "--policy",
    type=click.Path(path_type=Path),
    required=True,
    help="YAML file of a deployment, or of its scale_settings alone.",
)
@click.option(
    "-t",
    "--trace",
    required=True,
    help="CSV file of a demand, or the name of a shipped one: see 'mesh scale traces'.",
)
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Draw a PNG or SVG too.")
@click.option("--changes", "with_changes", is_flag=True, help="Show each change and its reason.")
@click.option(
    "--service-time",
    "service_s",
    type=ABOVE_ZERO,
    default=DEFAULTS.service_s,
    show_default=True,
    metavar="SECONDS",
    help="Mean time a request runs.",
)
@click.option(
    "--service-cv",
    type=FROM_ZERO,
    help="Its standard deviation, in parts of the mean, of a lognormal distribution; "
    f"{DEFAULTS.service_cv:g} by default.",
)
@click.option(
    "--service-distribution",
    "spread",
    type=click.Choice(get_args(Spread)),
    default=DEFAULTS.spread,
    show_default=True,
    help="How it is distributed.",
)
@click.option(
    "--warm-up",
    "warmup_s",
    type=FROM_ZERO,
    default=DEFAULTS.warmup_s,
    show_default=True,
    metavar="SECONDS",
    help="Mean time an instance takes to become ready.",
)
@click.option(
    "--slots",
    type=click.IntRange(min=1),
    help="Requests an instance runs at once; by default what the policy's file says.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=ABOVE_ZERO,
    metavar="SECONDS",
    help="A request that has not begun by then is given up; by default request_timeout_ms.",
)
@click.option(
    "--slo",
    "slo_s",
    type=FROM_ZERO,
    default=DEFAULTS.slo_s,
    show_default=True,
    metavar="SECONDS",
    help="The longest wait that is promised.",
)
@click.option(
    "--price",
    type=FROM_ZERO,
    default=DEFAULTS.price,
    show_default=True,
    help="Of an instance, per hour.",
)
@click.option(
    "--begin",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="When the demand begins, UTC, for schedules; by default on Thursday, 2026-02-05.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The chance in it.")
@click.option("--set", "sets", multiple=True, metavar="A.B=VALUE", help=SET_HELP)
@common_options
def simulate(
    options: Options,
    policy: Path,
    trace: str,
    picture: Path | None,
    with_changes: bool,
    **asked: Any,
) -> None:
    """Replay a demand through a policy: counts, waits and cost.

    Beside it stands the ideal: the count of who knows every request beforehand.

    It is the policy's own code that decides; no mesh is needed. Nothing is simulated of other
    load on the same machines. The same seed gives the same result.
    """
    sets, begin = asked.pop("sets"), asked.pop("begin")
    if picture is not None:
        refuse_bad_plot(picture)
    loaded = load_scaling(policy, overrides=sets)
    warn([*loaded.warnings, *unseen(policy, loaded.spec)])
    wishes, spec = Wishes(**asked), loaded.spec
    scale = settings_of(spec)
    question = Question(
        trace=load_trace(trace),
        service=wishes.service(spec),
        begin_with=max(scale.min_instances, min(spec.instance_count, scale.max_instances)),
        seed=wishes.seed,
        epoch_s=EPOCH_S if begin is None else begin.replace(tzinfo=UTC).timestamp(),
    )
    outcome, ideal = replay(question, scale)
    if picture is not None:
        plot(picture, question, outcome, ideal)
    view = SimulationView.of(question, scale, outcome, ideal)
    show(view, options, lambda: simulation_details(view, with_changes=with_changes))


def unseen(policy: Path, spec: DeploymentSpec) -> Iterator[str]:
    """Say of each key that it asks for nothing here, as what it looks at is not simulated."""
    scale = spec.scale_settings
    for key in msgspec.to_builtins(scale) if scale is not None else ():
        if key in NOT_SIMULATED:
            yield f"{policy}: scale_settings.{key}: {NOT_SIMULATED[key]} is not simulated"
    for profile in scale.profiles if scale is not None else ():
        for rule in map(scale_rule, profile.rules):
            if (metric := rule.trigger.metric) in NOT_SIMULATED:
                what = NOT_SIMULATED[metric]
                yield f"{policy}: scale_settings.profiles: {metric}: {what} is not simulated"


def settings_of(spec: DeploymentSpec) -> ScaleSettings:
    """How the count is chosen; a deployment that does not scale has one that is fixed."""
    if spec.autoscale is not None:
        return spec.autoscale
    return ScaleSettings(
        type="target_utilization",
        min_instances=spec.instance_count,
        max_instances=spec.instance_count,
    )


def replay(question: Question, scale: ScaleSettings) -> tuple[Outcome, Ideal]:
    """Run it, and find the ideal, with the progress in sight of a person."""
    out = console(stderr=True)
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task(question.trace.name, total=question.trace.end_s)
        outcome = Replay(question, Autoscaler(scale)).run(
            lambda at_s: progress.update(task, completed=at_s)
        )
        progress.add_task("ideal", total=None)
        return outcome, ideal_of(question, scale.min_instances)


@click.command()
@common_options
def traces(options: Options) -> None:
    """List the demands that come with the mesh."""
    views = [TraceView.of(load_trace(name)) for name in shipped_names()]
    show(views, options, lambda: trace_list(views))
