"""`mesh scale`: how the number of instances follows the load."""

from __future__ import annotations

import click

from mesh.cli.convert import convert
from mesh.cli.options import Options, common_options, endpoint_option
from mesh.cli.output import show, warn
from mesh.cli.scaleviews import scale_history
from mesh.cli.session import with_mesh
from mesh.cli.simulate import simulate, traces
from mesh.cli.views import deployment_details
from mesh.management import Management, ScaleChange
from mesh.scales import DEFAULT_CHANGES

NAME = click.option("-n", "--name", required=True, help="The deployment.")


@click.group()
def scale() -> None:
    """See, pause and try out how instances follow the load."""


@scale.command()
@endpoint_option
@click.option("-n", "--name", help="Only this deployment.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=DEFAULT_CHANGES,
    show_default=True,
    help="How many of the last changes.",
)
@common_options
def history(options: Options, endpoint_name: str, name: str | None, limit: int) -> None:
    """Show when and why the number of instances changed, oldest first."""

    async def work(mesh: Management) -> list[ScaleChange]:
        changes = await mesh.scaling.history(endpoint_name, name, limit=limit)
        if not changes:  # what does not exist is told, not shown as silence
            await mesh.get_endpoint(endpoint_name)
            if name is not None:
                await mesh.get_deployment(endpoint_name, name)
        return changes

    changes = with_mesh(options, work)
    show(changes, options, lambda: scale_history(changes))


@scale.command()
@endpoint_option
@NAME
@common_options
def pause(options: Options, endpoint_name: str, name: str) -> None:
    """Keep the number of instances as it is.

    Until 'mesh scale resume' the load does not change it; 'mesh deployment scale' does.
    """
    view = with_mesh(options, lambda mesh: mesh.scaling.pause(endpoint_name, name))
    warn(view.warnings)
    show(view, options, lambda: deployment_details(view))


@scale.command()
@endpoint_option
@NAME
@common_options
def resume(options: Options, endpoint_name: str, name: str) -> None:
    """Let the number of instances follow the load again."""
    view = with_mesh(options, lambda mesh: mesh.scaling.resume(endpoint_name, name))
    show(view, options, lambda: deployment_details(view))


scale.add_command(convert)
scale.add_command(simulate)
scale.add_command(traces)
