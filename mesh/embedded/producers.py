"""Users of the embedded broker that may produce to named endpoints and do nothing else.

They are kept in the state folder; the broker is given them at each start, and whenever they change.
Ring: adapter.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from mesh.embedded.folder import StateFolder
from mesh.errors import ConflictError, NotFoundError, SpecError
from mesh.jsonfile import write_record
from mesh.names import NAME_RULE, is_name
from mesh.settings import ROLES, BrokerAccess, producer_inbox

FILE: Final = "producers.json"


class Producer(msgspec.Struct, frozen=True, kw_only=True):
    """A user who may produce to these endpoints, and straight to these deployments."""

    name: str
    password: str
    endpoints: Sequence[str]
    deployments: Sequence[str] = ()

    def access(self, url: str) -> BrokerAccess:
        """Return how this user signs in."""
        return BrokerAccess(
            url=url, user=self.name, password=self.password, inbox_prefix=producer_inbox(self.name)
        )


def read_producers(folder: StateFolder) -> list[Producer]:
    """Return every producer of a mesh.

    Raises:
        SpecError: the file that holds them cannot be read.
    """
    path = folder.path / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Producer])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as exc:
        raise SpecError(f"{path}: {exc}") from exc


def add_producer(
    folder: StateFolder,
    endpoints: Sequence[str],
    name: str = "",
    deployments: Sequence[str] = (),
) -> Producer:
    """Make up a password for a new user, and keep it.

    Args:
        folder: the state folder of the mesh.
        endpoints: the endpoints it may produce to.
        name: what it is called; a random name if empty.
        deployments: those it may queue requests for by itself, as `endpoint/deployment`.

    Raises:
        ConflictError: there is a user of that name.
        SpecError: a name breaks the rule, or it may produce to nothing at all.
    """
    name = name or f"producer-{secrets.token_hex(4)}"
    if not is_name(name):
        raise SpecError(f"--name {name}: expected {NAME_RULE}")
    if not endpoints and not deployments:
        raise SpecError("--endpoint or --deployment: at least one is needed")
    for one in deployments:
        read_place(one)
    new = Producer(
        name=name,
        password=secrets.token_urlsafe(32),
        endpoints=list(dict.fromkeys(endpoints)),
        deployments=list(dict.fromkeys(deployments)),
    )
    with _locked(folder):
        known = read_producers(folder)
        if name in ROLES or name in (one.name for one in known):
            raise ConflictError(f"there is a user '{name}' already")
        write_record(folder.path / FILE, [*known, new], mode=0o600)
    return new


def read_place(text: str) -> tuple[str, str]:
    """Return endpoint and deployment of `endpoint/deployment`.

    Raises:
        SpecError: it names none.
    """
    endpoint, slash, deployment = text.partition("/")
    if not (slash and is_name(endpoint) and is_name(deployment)):
        raise SpecError(f"--deployment {text}: expected ENDPOINT/DEPLOYMENT, each of {NAME_RULE}")
    return endpoint, deployment


def remove_producer(folder: StateFolder, name: str) -> Producer:
    """Forget a user, and return who it was.

    Raises:
        NotFoundError: there is none of that name.
    """
    with _locked(folder):
        known = read_producers(folder)
        gone = next((one for one in known if one.name == name), None)
        if gone is None:
            raise NotFoundError(f"there is no producer '{name}'")
        write_record(folder.path / FILE, [one for one in known if one is not gone], mode=0o600)
    return gone


@contextlib.contextmanager
def _locked(folder: StateFolder) -> Iterator[None]:
    """Change the file alone; a change takes no longer than to write it."""
    path = folder.path / f".{FILE}.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
