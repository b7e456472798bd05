"""`mesh nats env | config | user ...`: the mesh's side of a nats-server, and of other clients."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from mesh import subjects, wire
from mesh.access import sign_in
from mesh.cli.options import Options, common_options, confirm
from mesh.cli.output import new_table, show
from mesh.cli.session import alone, with_mesh
from mesh.cli.up import STATE_DIR
from mesh.cli.views import fields
from mesh.connect import broker_access
from mesh.embedded.configuration import server_configuration
from mesh.embedded.folder import BrokerRecord, StateFolder
from mesh.embedded.permissions import producer_permissions
from mesh.embedded.producers import (
    Producer,
    add_producer,
    read_place,
    read_producers,
    remove_producer,
)
from mesh.embedded.supervise import RELOAD_SIGNAL
from mesh.errors import BusError, BusTimeoutError, SpecError
from mesh.jsonfile import write_record
from mesh.management import Management
from mesh.process import Identity
from mesh.settings import BrokerAccess, load_settings, state_dir

TAKEN_OVER_S: Final = 5.0
LOOK_S: Final = 0.05


class ProducerView(msgspec.Struct, frozen=True, kw_only=True):
    """What a producer needs to sign in, and what it may do."""

    name: str
    password: str
    url: str
    inbox_prefix: str
    endpoints: Sequence[str]
    deployments: Sequence[str]
    example: str


@click.group()
def nats() -> None:
    """What other NATS clients, or a server of your own, need; users for producers."""


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


@nats.group()
def user() -> None:
    """Users of the broker that may produce to what is named and do nothing else."""


@user.command()
@click.option(
    "-e", "--endpoint", "endpoints", multiple=True,
    help="An endpoint it may produce to; repeatable.",
)  # fmt: skip
@click.option(
    "-d", "--deployment", "deployments", multiple=True, metavar="ENDPOINT/DEPLOYMENT",
    help="A deployment it may queue requests for by itself, past the split; repeatable.",
)  # fmt: skip
@click.option("-n", "--name", default="", help="What the user is called; a random name by default.")
@common_options
def create(
    options: Options, endpoints: tuple[str, ...], deployments: tuple[str, ...], name: str
) -> None:
    """Create a user; the running broker takes it on at once."""
    places = [read_place(deployment) for deployment in deployments]
    folder = _embedded_folder(options, "create", name or "producer", endpoints, deployments)

    async def work(mesh: Management) -> ProducerView:
        for endpoint in endpoints:
            await mesh.get_endpoint(endpoint)
        for endpoint, deployment in places:
            await mesh.get_deployment(endpoint, deployment)
        new = add_producer(folder, endpoints, name, deployments)
        access = new.access(_url(folder))
        try:
            await _taken_over(folder, access, is_known=True)
        except BusTimeoutError:
            remove_producer(folder, new.name)  # nobody has seen its password
            raise
        return _view(new, access)

    view = with_mesh(options, work)
    show(view, options, lambda: fields(_rows(view)))


@user.command("list")
@common_options
def list_(options: Options) -> None:
    """List the users; their passwords are shown when they are created, and then no more."""
    folder = _embedded_folder(options, "list")
    found = [
        {
            "name": one.name,
            "endpoints": list(one.endpoints),
            "deployments": list(one.deployments),
        }
        for one in read_producers(folder)
    ]

    def table() -> Any:
        shown = new_table("Name", "Endpoints", "Deployments")
        for one in found:
            shown.add_row(
                str(one["name"]), " ".join(one["endpoints"]), " ".join(one["deployments"])
            )
        return shown

    show(found, options, table)


@user.command()
@click.option("-n", "--name", required=True, help="The user.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common_options
def delete(options: Options, name: str, yes: bool) -> None:
    """Delete a user; the running broker ends its connections at once."""
    folder = _embedded_folder(options, "delete", name)
    if not yes:
        confirm(f"Delete the user '{name}'?")
    gone = remove_producer(folder, name)
    if folder.is_held():
        alone(_taken_over(folder, gone.access(_url(folder)), is_known=False))


def _embedded_folder(
    options: Options,
    verb: str,
    name: str = "producer",
    endpoints: Sequence[str] = (),
    deployments: Sequence[str] = (),
) -> StateFolder:
    """Return the state folder whose broker is ours to configure.

    Raises:
        SpecError: the broker is somebody else's; it says what to allow there.
    """
    is_elsewhere = not options.state_dir and "NATS_URL" in os.environ
    chosen = state_dir(options.state_dir or os.environ.get("MESH_STATE_DIR", ""))
    folder = StateFolder(chosen)
    record = folder.read("nats", BrokerRecord)
    if not is_elsewhere and (record is None or record.embedded):
        return folder
    asked = endpoints or ([] if deployments else ["ENDPOINT"])
    allow = json.dumps(producer_permissions(name, asked, deployments))
    raise SpecError(
        f"mesh nats user {verb}: the nats-server is not one of the mesh's own: users are made "
        f"where it is configured. What a producer's user needs there: {allow}"
    )


def _url(folder: StateFolder) -> str:
    record = folder.read("nats", BrokerRecord)
    return record.url if record else ""


async def _taken_over(folder: StateFolder, access: BrokerAccess, *, is_known: bool) -> None:
    """Have the broker look at its users again, and wait until it knows this one, or no more.

    Raises:
        BusTimeoutError: it does not.
    """
    record = folder.mesh()
    if record is not None and record.ready:
        Identity(pid=record.pid, create_time=record.create_time).send(RELOAD_SIGNAL)
    deadline_s = asyncio.get_running_loop().time() + TAKEN_OVER_S
    while await _lets_in(access) is not is_known:
        if asyncio.get_running_loop().time() > deadline_s:
            raise BusTimeoutError(
                f"the broker did not take the change on within {TAKEN_OVER_S:g} s: "
                "what nats-server said is in its log"
            )
        await asyncio.sleep(LOOK_S)


async def _lets_in(access: BrokerAccess) -> bool:
    try:
        bus = await sign_in(access, "mesh-nats-user", timeout_s=1.0)
    except BusError:
        return False
    await bus.close()
    return True


def _view(producer: Producer, access: BrokerAccess) -> ProducerView:
    if producer.endpoints:
        subject = subjects.invoke(producer.endpoints[0])
    else:
        subject = subjects.work(*read_place(producer.deployments[0]), "queued")
    request_id = [] if producer.endpoints else ["--header", f"{wire.REQUEST_ID}:r1"]
    words = [
        *("nats", "--server", access.url, "--user", access.user, "--password", access.password),
        *("--inbox-prefix", access.inbox_prefix, "req", *request_id, subject, '{"data": []}'),
    ]
    return ProducerView(
        name=producer.name,
        password=producer.password,
        url=access.url,
        inbox_prefix=access.inbox_prefix,
        endpoints=producer.endpoints,
        deployments=producer.deployments,
        example=shlex.join(words),
    )


def _rows(view: ProducerView) -> list[tuple[str, str]]:
    return [
        ("User", view.name),
        ("Password", view.password),
        ("URL", view.url),
        ("Inbox prefix", view.inbox_prefix),
        ("Endpoints", " ".join(view.endpoints)),
        ("Deployments", " ".join(view.deployments)),
        ("Example", view.example),
    ]
