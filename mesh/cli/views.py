"""How endpoints and deployments look to people. Ring: values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mesh.api import DeploymentView, EndpointView, InstanceView, ScalingView
from mesh.cli.output import new_table
from mesh.cli.signalviews import signals_text
from mesh.figures import GpuFigures, size_text
from mesh.reason import headline
from mesh.records import Artifact

GOOD: Final = ("Succeeded", "ready", "serving")
BAD: Final = ("Failed", "failed", "suspect")
STYLES: Final = dict.fromkeys(GOOD, "green") | dict.fromkeys(BAD, "red")
SHORT_DIGEST: Final = 12

Fields = Iterable[tuple[str, str | Text]]


def endpoint_list(views: Iterable[EndpointView]) -> Table:
    """Endpoints, a row each."""
    table = new_table("Name", "State", "Traffic", "Mirror", "Deployments", "Scoring URI")
    for view in views:
        table.add_row(
            view.name,
            state_text(view.provisioning_state),
            split_text(view.traffic),
            split_text(view.mirror_traffic),
            " ".join(view.deployments),
            view.scoring_uri,
        )
    return table


def endpoint_details(view: EndpointView) -> Table:
    """One endpoint, a row per property."""
    return fields(
        [
            ("Name", view.name),
            ("State", state_text(view.provisioning_state)),
            ("Kind", view.kind),
            ("Auth mode", view.auth_mode),
            ("Description", view.description),
            ("Tags", _pairs(view.tags)),
            ("Traffic", split_text(view.traffic) or "none"),
            ("Mirror traffic", split_text(view.mirror_traffic)),
            ("Deployments", " ".join(view.deployments) or "none"),
            ("Scoring URI", view.scoring_uri or "none: no gateway is running"),
            ("Created", time_text(view.created_at_s)),
            ("Modified", time_text(view.modified_at_s)),
        ]
    )


def deployment_list(views: Iterable[DeploymentView]) -> RenderableType:
    """Deployments, a row each; why some fail stands below, where there is room for it."""
    table = new_table(
        "Endpoint", "Name", "State", "Ready", "Traffic", "Mirror", "Queued", "Generation"
    )
    reasons: list[str] = []
    for view in views:
        table.add_row(
            view.endpoint_name,
            view.name,
            state_text(view.provisioning_state),
            f"{ready_count(view)}/{view.instance_count}",
            f"{view.traffic}%",
            f"{view.mirror_traffic}%" if view.mirror_traffic else "",
            str(sum(view.queue.values())),
            str(view.generation),
        )
        if view.reason:
            reasons.append(f"{view.endpoint_name}/{view.name}: {headline(view.reason)}")
    return Group(table, "", *reasons) if reasons else table


def deployment_details(view: DeploymentView) -> RenderableType:
    """One deployment: a row per property, then its instances."""
    serving = f" (serving: {view.serving_generation})" if is_behind(view) else ""
    table = fields(
        [
            ("Name", view.name),
            ("Endpoint", view.endpoint_name),
            ("State", state_text(view.provisioning_state)),
            ("Reason", view.reason.rstrip()),
            ("Generation", f"{view.generation}{serving}"),
            ("Instances", f"{ready_count(view)} of {view.instance_count} ready"),
            ("Update", wave_text(view)),
            ("Scaling", scaling_text(view.scaling)),
            ("Profile", view.scaling.profile if view.scaling else ""),
            ("Signals", signals_text(view.scaling.seen) if view.scaling else ""),
            ("Not known", "\n".join(view.scaling.notes) if view.scaling else ""),
            ("Each instance", view.limits),
            ("Price", price_text(view.price_per_hour)),
            ("Traffic", f"{view.traffic}%"),
            ("Mirror traffic", f"{view.mirror_traffic}%" if view.mirror_traffic else ""),
            ("Queue", _pairs(view.queue)),
            ("Model", artifact_text(view.model)),
            ("Code", artifact_text(view.code)),
            ("Created", time_text(view.created_at_s)),
            ("Modified", time_text(view.modified_at_s)),
        ]
    )
    if not view.instances:
        return table
    troubles = [f"{one.instance}: {headline(one.reason)}" for one in view.instances if one.reason]
    return Group(table, "", instance_list(view.instances), *(["", *troubles] if troubles else []))


def instance_list(views: Iterable[InstanceView]) -> Table:
    """Instances, a row each."""
    views = list(views)
    own = ["GPU"] if any(view.gpu for view in views) else []
    table = new_table(
        "Instance", "State", "Generation", "Busy", "CPU", "Memory", "Pid", "Host", *own
    )
    for view in views:
        table.add_row(
            view.instance,
            state_text(view.state),
            str(view.generation),
            f"{view.in_flight}/{view.slots}",
            f"{view.cpu_percent:.0f}%",
            size_text(view.memory_bytes),
            str(view.pid),
            view.host,
            *([gpu_text(view.gpu)] if own else []),
        )
    return table


def scaling_text(scaling: ScalingView | None) -> str:
    """Between what bounds the count follows the load, and why it is what it is."""
    if scaling is None:
        return ""
    text = f"{scaling.min_instances} to {scaling.max_instances} instances"
    reason = "autoscaling is paused" if scaling.paused else scaling.reason
    return f"{text}: {reason}" if reason else text


def price_text(price_per_hour: float | None) -> str:
    """What the instances cost; empty if nobody knows."""
    return "" if price_per_hour is None else f"{price_per_hour:.4g} per hour"


def gpu_text(gpu: GpuFigures | None) -> str:
    """A GPU and how busy it is; empty if there is none."""
    if gpu is None:
        return ""
    busy = "" if gpu.percent is None else f" {gpu.percent:.0f}%"
    return f"{gpu.name}{busy} {size_text(gpu.memory_bytes)} of {size_text(gpu.memory_total_bytes)}"


def fields(pairs: Fields) -> Table:
    """A row per property that has a value."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            table.add_row(name, value)
    return table


def progress_text(view: DeploymentView | None) -> str:
    """A deployment on one line, while somebody waits for it."""
    if view is None:
        return "not there"
    count = wave_text(view) or f"{ready_count(view)} of {view.instance_count} ready"
    text = f"{view.provisioning_state}, {count}"
    if is_behind(view):
        until = "" if view.provisioning_state == "Failed" else f" until {view.generation} is ready"
        text += f", generation {view.serving_generation} serves{until}"
    reason = headline(view.reason)
    return f"{text}: {reason}" if reason else text


def curl_text(view: EndpointView, deployment: str | None = None) -> str:
    """A command that calls the endpoint; the key is looked up, not shown."""
    key = f"$(mesh endpoint get-credentials -n {view.name} --query primaryKey -o tsv)"
    chosen = f"-H 'azureml-model-deployment: {deployment}' " if deployment else ""
    return (
        f'curl {view.scoring_uri} -H "Authorization: Bearer {key}" {chosen}'
        "-H 'Content-Type: application/json' -d @request.json"
    )


def is_behind(view: DeploymentView) -> bool:
    """Tell whether an older generation than the newest one is serving."""
    return 0 < view.serving_generation < view.generation


def ready_count(view: DeploymentView) -> int:
    """How many instances are ready of the generation that matters.

    That is the newest one, and if it has failed the one that serves: during an update there are
    instances of both.
    """
    if not view.instances:
        return view.ready_instances
    generation = view.generation
    if view.provisioning_state == "Failed" and is_behind(view):
        generation = view.serving_generation
    return sum(i.state == "ready" and i.generation == generation for i in view.instances)


def wave_text(view: DeploymentView) -> str:
    """How far an update has come, empty if there is none."""
    if not is_behind(view) or view.provisioning_state != "Updating":
        return ""
    old = sum(i.state == "ready" and i.generation < view.generation for i in view.instances)
    return f"new {ready_count(view)} of {view.instance_count} ready, old {old} ready"


def state_text(state: str) -> Text:
    """A state, coloured where there is colour."""
    return Text(state, style=STYLES.get(state, "yellow"))


def split_text(split: Mapping[str, int]) -> str:
    """A split the way `--traffic` takes it."""
    return " ".join(f"{name}={percent}" for name, percent in split.items() if percent)


def artifact_text(artifact: Artifact | None) -> str:
    """A stored folder or file: its name, digest and size."""
    if artifact is None:
        return ""
    digest = artifact.digest.rpartition(":")[2][:SHORT_DIGEST]
    files = "1 file" if artifact.files == 1 else f"{artifact.files} files"
    return f"{artifact.entry} {digest} ({files}, {size_text(artifact.size_bytes)})".lstrip()


def time_text(at_s: float) -> str:
    """A time as UTC, to the second."""
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S} UTC" if at_s else ""


def _pairs(values: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())
