"""`mesh up | down | status`: the mesh on this machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.console import Group, RenderableType
from rich.panel import Panel

from mesh.api import StatusView
from mesh.cli.exits import UNREACHABLE
from mesh.cli.options import Options, common_options
from mesh.cli.output import console, new_table, show
from mesh.cli.progress import Waiting
from mesh.cli.session import with_mesh
from mesh.cli.views import deployment_list, endpoint_list, fields
from mesh.embedded.daemon import run_detached, run_here
from mesh.embedded.down import stop_mesh
from mesh.embedded.folder import MeshRecord, ProgramView, StateFolder
from mesh.errors import BusError, SpecError
from mesh.metrics import discovery_url
from mesh.settings import Settings, load_settings, state_dir

# Flag, setting, and what it does; anything else is reached by --set.
FLAGS: Final = (
    ("--state-dir", "state_dir", "Folder for everything the mesh keeps."),
    ("--host", "gateway.host", "Where the gateway listens."),
    ("--port", "gateway.port", "Port of the gateway; 0 takes a free one."),
    ("--gateways", "gateway.count", "How many gateway processes; 0: they run elsewhere."),
    ("--nats-url", "nats.url", "Use this nats-server instead of an embedded one."),
    ("--nats-port", "nats.port", "Port of the embedded nats-server; 0 takes a free one."),
    ("--log-level", "log.level", "debug, info, warning or error."),
)

STATE_DIR = click.option(
    "--state-dir", envvar="MESH_STATE_DIR", metavar="FOLDER", help="State folder of the mesh."
)

Command = Callable[..., Any]


class MeshStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What `mesh status` knows. `mesh` is None when the management service does not answer."""

    running: bool
    state_dir: str
    pid: int = 0
    nats_url: str = ""
    discovery_url: str = ""
    programs: list[ProgramView] = []
    mesh: StatusView | None = None


def _setting_flags(command: Command) -> Command:
    for flag, key, text in reversed(FLAGS):
        command = click.option(flag, key.replace(".", "__"), help=text)(command)
    return command


@click.command()
@_setting_flags
@click.option("--set", "more", multiple=True, metavar="KEY=VALUE", help="Any other setting.")
@click.option("--config", type=click.Path(path_type=Path), help="A YAML file with settings.")
@click.option("--detach", "-d", is_flag=True, help="Run in the background; return when ready.")
@click.pass_context
def up(
    ctx: click.Context, /, *, more: tuple[str, ...], config: Path | None, detach: bool, **flags: str
) -> None:
    """Start a mesh on this machine: nats-server, gateway and scaler.

    Everything it keeps lives in the state folder; the next start finds it again. Settings come from
    configs/mesh.yaml, --config, the environment (MESH_<SECTION>__<KEY>) and flags.
    """
    chosen = {key.replace("__", "."): value for key, value in flags.items()}
    settings = load_settings(config, chosen | dict(_pair(text) for text in more))
    if detach:
        with Waiting("starting the mesh"):
            record = run_detached(settings)
        _tell_ready(record, settings, detached=True)
        return
    code = run_here(settings, lambda record: _tell_ready(record, settings, detached=False))
    ctx.exit(code)


@click.command()
@STATE_DIR
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait at most this long.",
)
def down(*, state_dir: str | None, timeout_s: float) -> None:
    """Stop the mesh on this machine: drain the work in hand, keep all state.

    Returns when no process of it is left.
    """
    folder = _folder(state_dir)
    with Waiting("stopping the mesh") as waiting:

        def left(names: Any) -> None:
            waiting.show(", ".join(names) or "done")

        did_run = asyncio.run(stop_mesh(folder, timeout_s, left))
    click.echo("the mesh is stopped" if did_run else f"no mesh is running on {folder.path}")


@click.command()
@common_options
@click.pass_context
def status(ctx: click.Context, *, options: Options) -> None:
    """Show what runs, where it listens, and what is served.

    The exit code is 3 if no mesh is running, or its management service does not answer.
    """
    folder = _folder(options.state_dir)
    found = _status(folder, options)
    show(found, options, lambda: _status_page(found))
    if found.mesh is None:
        ctx.exit(UNREACHABLE)


def _folder(chosen: str | None) -> StateFolder:
    return StateFolder(state_dir(chosen or os.environ.get("MESH_STATE_DIR", "")))


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise SpecError(f"--set {text}: expected KEY=VALUE, such as gateway.port=8090")
    return key, value


def _status(folder: StateFolder, options: Options) -> MeshStatus:
    record = folder.mesh() if folder.is_held() else None
    is_elsewhere = not options.state_dir and "NATS_URL" in os.environ
    served = None
    if record is not None or is_elsewhere:
        try:
            served = with_mesh(options, lambda mesh: mesh.status())
        except BusError:
            served = None
    if record is None:
        return MeshStatus(running=False, state_dir=str(folder.path), mesh=served)
    return MeshStatus(
        running=True,
        state_dir=str(folder.path),
        pid=record.pid,
        nats_url=record.nats_url,
        discovery_url=_discovery_url(record),
        programs=record.programs,
        mesh=served,
    )


def _discovery_url(record: MeshRecord) -> str:
    return discovery_url(next((p.metrics_url for p in record.programs if p.metrics_url), ""))


def _status_page(found: MeshStatus) -> RenderableType:
    if not found.running and found.mesh is None:
        return f"no mesh is running on {found.state_dir}: start one with `mesh up`"
    parts: list[RenderableType] = []
    if found.running:
        table = new_table("Program", "State", "PID", "Restarts", "Listens on")
        for one in found.programs:
            where = one.url or one.metrics_url
            table.add_row(one.name, one.state, str(one.pid or ""), str(one.restarts), where)
        parts += [table, ""]
        if found.discovery_url:
            parts += [f"Prometheus finds all of it at {found.discovery_url}", ""]
    if found.mesh is not None and found.mesh.limits:
        parts += [f"Instances are held to their type by: {found.mesh.limits}", ""]
    if found.mesh is None:
        parts.append("the management service does not answer")
    elif not found.mesh.endpoints:
        parts.append("no endpoints yet: mesh endpoint create -f FILE")
    else:
        parts += [endpoint_list(found.mesh.endpoints), "", deployment_list(found.mesh.deployments)]
    return Group(*parts)


def _tell_ready(record: MeshRecord, settings: Settings, *, detached: bool) -> None:
    out = console()
    panel = Panel(
        _ready_fields(record, settings, detached=detached),
        title="the mesh is up",
        title_align="left",
        border_style="green",
        expand=False,
        padding=(1, 2),
    )
    out.print(panel)


def _ready_fields(record: MeshRecord, settings: Settings, *, detached: bool) -> RenderableType:
    folder = StateFolder(settings.state_dir)
    rows = [(one.name, one.url) for one in record.programs if one.name.startswith("gateway")]
    rows += [(f"{one.name} metrics", one.metrics_url) for one in record.programs if one.metrics_url]
    if url := _discovery_url(record):
        rows.append(("prometheus", f"{url}   (docs/monitoring.md)"))
    rows += [
        ("nats", f"{record.nats_url}   (nats tool: mesh nats env)"),
        ("state", str(folder.path)),
        ("logs", str(folder.logs / "mesh.log") if detached else "here"),
        ("stop", "mesh down" if detached else "Ctrl-C"),
    ]
    return fields(rows)
