"""`mesh worker run`: an instance of a deployment that a person starts, on any machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click

from mesh.cli.options import endpoint_option
from mesh.cli.up import STATE_DIR
from mesh.connect import user_of
from mesh.embedded.folder import BrokerRecord, StateFolder
from mesh.errors import BusError, SpecError
from mesh.names import NAME_RULE, is_name
from mesh.settings import BrokerAccess, NatsUser, state_dir


@click.group()
def worker() -> None:
    """Serve a deployment from this machine, by hand."""


@worker.command()
@endpoint_option
@click.option("-n", "--deployment", "--name", "deployment", required=True, help="The deployment.")
@click.option(
    "--generation",
    type=click.IntRange(min=1),
    help="Serve this generation; by default the one that serves.",
)
@click.option(
    "--nats", metavar="URL", help="The mesh's broker; else NATS_URL, or the state folder."
)
@click.option("--user", help="The user there; MESH_NATS_PASSWORD or NATS_PASSWORD is its password.")
@STATE_DIR
def run(
    *,
    endpoint_name: str,
    deployment: str,
    generation: int | None,
    nats: str | None,
    user: str | None,
    state_dir: str | None,
) -> None:
    """Run one more instance of a deployment.

    It runs until Ctrl-C, or until the mesh has no use for it.

    It counts as one of the deployment's instances once it is ready, and is drained as any other:
    when fewer are wanted, or another generation serves. Nobody starts it again. What it needs of
    the deployment is fetched into the state folder.
    """
    for option, name in (("--endpoint", endpoint_name), ("--deployment", deployment)):
        if not is_name(name):
            raise SpecError(f"{option} {name!r}: {NAME_RULE}")
    access = _access(state_dir, nats, _who(user), named=user is not None)
    arguments = ["--endpoint", endpoint_name, "--deployment", deployment]
    if generation is not None:
        arguments += ["--generation", str(generation)]
    command = [sys.executable, "-m", "workers", *arguments]
    os.execve(command[0], command, _environ(os.environ, access, state_dir))


def _who(user: str | None) -> NatsUser:
    """Who we are at a broker of others: who was named, else who the environment says."""
    if user is None:
        return user_of(os.environ)
    password = os.environ.get("MESH_NATS_PASSWORD") or os.environ.get("NATS_PASSWORD")
    return NatsUser(user=user, password=password or "")


def _access(folder: str | None, nats: str | None, who: NatsUser, *, named: bool) -> BrokerAccess:
    """Where the broker is: what was given, else NATS_URL, else the mesh of the state folder."""
    url = nats or ("" if folder else os.environ.get("NATS_URL", ""))
    if url:
        return BrokerAccess.of(url, who, "worker")
    if named:
        raise SpecError("--user: with --nats or NATS_URL; a state folder says who the worker is")
    held = StateFolder(state_dir(folder or os.environ.get("MESH_STATE_DIR", "")))
    record = held.read("nats", BrokerRecord)
    if record is None or not record.url or not held.is_held():
        raise BusError(
            f"no mesh is running on {held.path}: --nats says where another one's broker is"
        )
    return record.access("worker")


def _environ(
    environ: Mapping[str, str], access: BrokerAccess, folder: str | None
) -> dict[str, str]:
    """The environment of the program: where it finds the broker, and who it is there."""
    env = {**environ, "NATS_URL": access.url}
    env |= {"MESH_NATS_USER": access.user, "MESH_NATS_PASSWORD": access.password}
    return env | ({"MESH_STATE_DIR": folder} if folder else {})
