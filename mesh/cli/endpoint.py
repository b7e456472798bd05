"""`mesh endpoint`: create, show, list, update, delete; what opens and calls it is in `access`."""

from __future__ import annotations

from pathlib import Path

import click

from mesh.cli.access import get_credentials, invoke, regenerate_keys
from mesh.cli.changes import EndpointChange, change_endpoint
from mesh.cli.options import (
    SET_HELP,
    ListCommand,
    Options,
    Patience,
    common_options,
    confirm,
    waiting_options,
)
from mesh.cli.output import show, warn
from mesh.cli.progress import Waiting
from mesh.cli.session import leave_going, with_mesh
from mesh.cli.views import curl_text, endpoint_details, endpoint_list
from mesh.management import Management
from mesh.spec.load import endpoint_from_values, load_endpoint

FILE = click.option(
    "-f", "--file", type=click.Path(path_type=Path), help="YAML file of the endpoint."
)
NAME = click.option("-n", "--name", required=True, help="The endpoint.")
SETS = click.option("--set", "sets", multiple=True, metavar="A.B=VALUE", help=SET_HELP)
NO_WAIT = click.option(
    "--no-wait", is_flag=True, expose_value=False, help="For az's sake: it takes no time anyway."
)


@click.group()
def endpoint() -> None:
    """Create, change, call and delete endpoints."""


@endpoint.command(cls=ListCommand)
@FILE
@click.option("-n", "--name", help="Its name; wins over the file's.")
@click.option("--auth-mode", help="How callers authenticate; wins over the file's.")
@SETS
@NO_WAIT
@common_options
def create(
    options: Options,
    file: Path | None,
    name: str | None,
    auth_mode: str | None,
    sets: tuple[str, ...],
) -> None:
    """Create an endpoint, from a YAML file or by name alone."""
    given = {"name": name, "auth_mode": auth_mode}
    if file is not None:
        loaded = load_endpoint(file, overrides=sets, given=given)
    elif name is not None:
        values = {key: value for key, value in given.items() if value is not None}
        loaded = endpoint_from_values(values, overrides=sets)
    else:
        raise click.UsageError("give the endpoint's --file or its --name")
    warn(loaded.warnings)
    view = with_mesh(options, lambda mesh: mesh.create_endpoint(loaded.spec))
    warn(view.warnings)
    show(view, options, lambda: endpoint_details(view))


@endpoint.command("show")
@NAME
@common_options
def show_one(options: Options, name: str) -> None:
    """Show an endpoint, and a command that calls it."""
    view = with_mesh(options, lambda mesh: mesh.get_endpoint(name))
    show(view, options, lambda: endpoint_details(view))
    if options.is_for_people and view.scoring_uri and any(view.traffic.values()):
        click.echo(f"\n{curl_text(view)}")


@endpoint.command("list")
@common_options
def list_all(options: Options) -> None:
    """List all endpoints."""
    views = with_mesh(options, lambda mesh: mesh.list_endpoints())
    show(views, options, lambda: endpoint_list(views))


@endpoint.command(cls=ListCommand)
@FILE
@click.option("-n", "--name", help="The endpoint; by default the one that the file names.")
@click.option(
    "--traffic", multiple=True, metavar="SPLIT", help='The whole split, such as "blue=90 green=10".'
)
@click.option(
    "--mirror-traffic",
    multiple=True,
    metavar="SPLIT",
    help='What is copied to a deployment, such as "green=10"; "green=0" ends it.',
)
@SETS
@NO_WAIT
@common_options
def update(
    options: Options,
    file: Path | None,
    name: str | None,
    traffic: tuple[str, ...],
    mirror_traffic: tuple[str, ...],
    sets: tuple[str, ...],
) -> None:
    """Change an endpoint, its traffic above all.

    Returns when every gateway acts on it. Without --file only what is given changes. A --file
    that names no traffic leaves it as it is.
    """
    if name is None:
        if file is None:
            raise click.UsageError("give the endpoint's --name or its --file")
        name = load_endpoint(file, overrides=sets).spec.name
    change = EndpointChange(
        name=name, file=file, traffic=traffic, mirror_traffic=mirror_traffic, sets=sets
    )
    view = with_mesh(options, lambda mesh: change_endpoint(mesh, change))
    warn(view.warnings)
    show(view, options, lambda: endpoint_details(view))


@endpoint.command()
@NAME
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@waiting_options
@common_options
def delete(options: Options, patience: Patience, name: str, yes: bool) -> None:
    """Delete an endpoint and all its deployments."""
    if not yes:
        confirm(f"Delete endpoint '{name}' and all its deployments?")
    with leave_going(f"mesh endpoint show -n {name}") as begun, Waiting(f"endpoint {name}") as line:

        async def work(mesh: Management) -> None:
            async with mesh.watch_endpoint(name) as watch:
                await mesh.delete_endpoint(name)
                begun.is_begun = True
                if not patience.no_wait:
                    line.show("Deleting")
                    await watch.gone(timeout_s=patience.timeout_s)

        with_mesh(options, work)


for command in (invoke, get_credentials, regenerate_keys):
    endpoint.add_command(command)
