"""`mesh nats env | config`: the mesh's side of a nats-server, for the tool and for the server."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import msgspec

from mesh.cli.up import STATE_DIR
from mesh.connect import broker_access
from mesh.embedded.configuration import server_configuration
from mesh.jsonfile import write_record
from mesh.settings import load_settings


@click.group()
def nats() -> None:
    """What the nats command-line tool, or a server of your own, needs."""


@nats.command()
@STATE_DIR
def env(*, state_dir: str | None) -> None:
    """Print exports for the nats tool: eval "$(mesh nats env)".

    The user is the admin, who may do everything.
    """
    access = broker_access(state_dir)
    values = {"NATS_URL": access.url, "NATS_USER": access.user, "NATS_PASSWORD": access.password}
    for name, value in values.items():
        if value:
            click.echo(f"export {name}={shlex.quote(value)}")


@nats.command()
@click.option("--config", type=click.Path(path_type=Path), help="A YAML file with settings.")
@click.option("--store-dir", default="/data", show_default=True, help="Where it keeps streams.")
@click.option("--output", type=click.Path(path_type=Path), help="Write it here, not to stdout.")
def config(*, config: Path | None, store_dir: str, output: Path | None) -> None:
    """Print the configuration of a nats-server that is to be a mesh's broker.

    It holds one user per role with the permissions that `mesh up` gives. Their names and passwords
    are the setting nats.users, such as MESH_NATS__USERS__GATEWAY__PASSWORD; where it listens is
    nats.host and nats.port. The passwords are in it: keep it to yourself.
    """
    settings = load_settings(config).nats
    found = server_configuration(settings, settings.users, store_dir)
    if output is None:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        write_record(output, found, mode=0o600)
