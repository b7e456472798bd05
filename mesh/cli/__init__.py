"""The `mesh` command: parses, calls the management SDK, shows the result.

Commands live in a module per noun, imported when one of them is called, so that `mesh --help`
starts at once. Errors become one line and an exit code here and nowhere else.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Any, Final

import click

from mesh.cli.exits import FAILED, exit_code, help_text
from mesh.errors import MeshError

# Where each command is, and what `mesh --help` says of it without importing it.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "up": ("mesh.cli.up:up", "Start a mesh on this machine."),
    "down": ("mesh.cli.up:down", "Stop the mesh on this machine; its state stays."),
    "status": ("mesh.cli.up:status", "Show what runs, and where it listens."),
    "endpoint": ("mesh.cli.endpoint:endpoint", "Create, change, call and delete endpoints."),
    "deployment": (
        "mesh.cli.deployment:deployment",
        "Create, change, scale, roll back and delete deployments.",
    ),
    "scale": ("mesh.cli.scale:scale", "See, pause and try out how instances follow the load."),
    "request": ("mesh.cli.request:request", "See queued requests, cancel them, send them again."),
    "deadletter": (
        "mesh.cli.deadletter:deadletter",
        "See the requests that were given up, send them again, remove them.",
    ),
    "worker": ("mesh.cli.worker:worker", "Serve a deployment from this machine, by hand."),
    "instance-type": ("mesh.cli.capacity:instance_type", "See what instance_type may name."),
    "quota": ("mesh.cli.capacity:quota", "See how many cores deployments may use."),
    "nats": (
        "mesh.cli.nats:nats",
        "What other NATS clients, or a server of your own, need; users for producers.",
    ),
}


class LazyGroup(click.Group):
    """A group that imports a command only to run it, and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what goes wrong becomes a line on stderr and an exit code."""
        if isinstance(sys.stdout, io.TextIOWrapper):  # a name no locale can write fails nothing
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except MeshError as exc:
            if is_debugging():
                raise
            tell_error(str(exc))
            ctx.exit(exit_code(exc))
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as exc:  # the boundary: no traceback reaches a person
            if is_debugging():
                raise
            kind = "" if isinstance(exc, OSError) else "a bug; "  # a full disk is none
            tell_error(f"{type(exc).__name__}: {exc} ({kind}MESH_DEBUG=1 shows where)")
            ctx.exit(FAILED)


def is_debugging() -> bool:
    """Tell whether the person wants tracebacks."""
    return os.environ.get("MESH_DEBUG", "") not in ("", "0")


def tell_error(text: str) -> None:
    """Write an error for a person, its first word red on a terminal."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {text}", err=True)


@click.group(
    cls=LazyGroup,
    epilog=help_text(),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="serving-mesh", prog_name="mesh")
def main() -> None:
    """Serve models over NATS: endpoints, deployments, and the mesh that runs them.

    Endpoints and deployments are YAML files in the form of the Azure ML CLI v2; the options of
    'mesh endpoint' and 'mesh deployment' are those of 'az ml online-endpoint' and
    'online-deployment'. The mesh meant is that of the state folder (--state-dir,
    MESH_STATE_DIR), or of the broker at NATS_URL.
    """
