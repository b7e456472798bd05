"""`mesh deployment`: create, show, list, update, delete, scale.

The rest is in `logs` and `generations`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from mesh.cli.changes import DeploymentChange, change_deployment
from mesh.cli.generations import diff, history, rollback, rollout_options
from mesh.cli.logs import get_logs
from mesh.cli.options import (
    SET_HELP,
    ListCommand,
    Options,
    Patience,
    common_options,
    confirm,
    endpoint_option,
    waiting_options,
)
from mesh.cli.output import show, warn
from mesh.cli.progress import Waiting
from mesh.cli.script import check_script
from mesh.cli.session import leave_going, with_mesh
from mesh.cli.settle import Target, act_and_show
from mesh.cli.views import deployment_details, deployment_list
from mesh.management import Management
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.load import load_deployment

FILE_HELP = "YAML file of the deployment."
NAME = click.option("-n", "--name", required=True, help="The deployment.")
SETS = click.option("--set", "sets", multiple=True, metavar="A.B=VALUE", help=SET_HELP)
ANY_SCRIPT = click.option(
    "--skip-script-validation", "any_script", is_flag=True, help="Do not parse the scoring script."
)


class Creation(msgspec.Struct, frozen=True, kw_only=True):
    """What `create` was asked for."""

    file: Path
    name: str | None
    endpoint_name: str | None
    sets: tuple[str, ...]
    all_traffic: bool
    any_script: bool

    def load(self) -> DeploymentSpec:
        """Load the spec, show its warnings, and parse its script."""
        given = {"name": self.name, "endpoint_name": self.endpoint_name}
        loaded = load_deployment(self.file, overrides=self.sets, given=given)
        warn(loaded.warnings)
        if not self.any_script:
            check_script(loaded.spec)
        return loaded.spec


@click.group()
def deployment() -> None:
    """Create, change, scale, roll back and delete deployments; read their logs."""


@deployment.command(cls=ListCommand)
@click.option("-f", "--file", type=click.Path(path_type=Path), required=True, help=FILE_HELP)
@click.option("-n", "--name", help="Its name; wins over the file's.")
@click.option("-e", "--endpoint-name", "--endpoint", help="Its endpoint; wins over the file's.")
@click.option("--all-traffic", is_flag=True, help="Give it all requests once it is ready.")
@ANY_SCRIPT
@SETS
@waiting_options
@common_options
def create(options: Options, patience: Patience, **asked: Any) -> None:
    """Store a deployment's code and model, and start it."""
    creation = Creation(**asked)
    spec = creation.load()
    act_and_show(
        Target(spec.endpoint_name, spec.name),
        options,
        patience,
        lambda mesh, line: mesh.create_deployment(
            spec, all_traffic=creation.all_traffic, on_upload=line.show_upload
        ),
    )


@deployment.command("show")
@endpoint_option
@NAME
@common_options
def show_one(options: Options, endpoint_name: str, name: str) -> None:
    """Show a deployment, its state and its instances."""
    view = with_mesh(options, lambda mesh: mesh.get_deployment(endpoint_name, name))
    show(view, options, lambda: deployment_details(view))


@deployment.command("list")
@click.option("-e", "--endpoint-name", "--endpoint", help="Only those of this endpoint.")
@common_options
def list_all(options: Options, endpoint_name: str | None) -> None:
    """List deployments."""
    views = with_mesh(options, lambda mesh: mesh.list_deployments(endpoint_name))
    show(views, options, lambda: deployment_list(views))


@deployment.command(cls=ListCommand)
@click.option("-f", "--file", type=click.Path(path_type=Path), help=FILE_HELP)
@click.option("-n", "--name", help="The deployment; by default the one that the file names.")
@click.option("-e", "--endpoint-name", "--endpoint", help="Its endpoint; by default the file's.")
@ANY_SCRIPT
@SETS
@rollout_options
@waiting_options
@common_options
def update(options: Options, patience: Patience, **asked: Any) -> None:
    """Change a deployment.

    Its instances are replaced in waves; those that serve now go as new ones become ready. Without
    --file only what is given changes. A --file replaces all of it, folders included.
    """
    change = read_change(**asked)
    act_and_show(
        Target(change.endpoint, change.name),
        options,
        patience,
        lambda mesh, line: change_deployment(mesh, change, line),
    )


def read_change(
    *,
    file: Path | None,
    name: str | None,
    endpoint_name: str | None,
    sets: tuple[str, ...],
    any_script: bool,
    **rollout: str | None,
) -> DeploymentChange:
    """Find out which deployment `update` means, and check its file before the mesh is asked."""
    waves = {key: value for key, value in rollout.items() if value is not None}
    sets += tuple(f"mesh.rollout.{key}={value}" for key, value in waves.items())
    if file is not None:
        creation = Creation(
            file=file,
            name=name,
            endpoint_name=endpoint_name,
            sets=sets,
            all_traffic=False,
            any_script=any_script,
        )
        spec = creation.load()
        name, endpoint_name = spec.name, spec.endpoint_name
    if name is None or endpoint_name is None:
        raise click.UsageError("give the deployment's --name and --endpoint-name, or its --file")
    return DeploymentChange(endpoint=endpoint_name, name=name, file=file, sets=sets)


@deployment.command()
@endpoint_option
@NAME
@click.option(
    "-c",
    "--instance-count",
    type=click.IntRange(min=1),
    required=True,
    help="Instances to keep running.",
)
@waiting_options
@common_options
def scale(
    options: Options, patience: Patience, endpoint_name: str, name: str, instance_count: int
) -> None:
    """Change a deployment's number of instances."""
    act_and_show(
        Target(endpoint_name, name),
        options,
        patience,
        lambda mesh, _: mesh.scale_deployment(endpoint_name, name, instance_count),
    )


@deployment.command()
@endpoint_option
@NAME
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@waiting_options
@common_options
def delete(options: Options, patience: Patience, endpoint_name: str, name: str, yes: bool) -> None:
    """Delete a deployment; requests it has are answered first."""
    target = Target(endpoint_name, name)
    if not yes:
        confirm(f"Delete {target}?")
    with leave_going(target.show_command) as begun, Waiting(str(target)) as line:

        async def work(mesh: Management) -> None:
            async with mesh.watch(endpoint_name, name) as watch:
                await mesh.delete_deployment(endpoint_name, name)
                begun.is_begun = True
                if not patience.no_wait:
                    line.show("Deleting")
                    await watch.gone(timeout_s=patience.timeout_s)

        with_mesh(options, work)


for command in (get_logs, history, diff, rollback):
    deployment.add_command(command)
