"""How a person's own tools reach the broker of the mesh they mean.

In this order: an address given, a state folder given, `NATS_URL` with `NATS_USER` and
`NATS_PASSWORD` (`MESH_NATS_USER` and `MESH_NATS_PASSWORD` win over them), the usual state folder.
Ring: adapter.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mesh.embedded.folder import BrokerRecord, StateFolder
from mesh.errors import BusError
from mesh.settings import NOBODY, BrokerAccess, NatsUser, state_dir


def broker_access(
    folder: Path | str | None = None,
    nats_url: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> BrokerAccess:
    """Return the address and the admin's credentials of a mesh.

    Args:
        folder: the state folder; None for `MESH_STATE_DIR`, else the usual one.
        nats_url: the broker of a mesh elsewhere, credentials included; wins over everything.
        environ: the environment, by default the process's own.

    Raises:
        BusError: no mesh runs on the state folder.
    """
    env = os.environ if environ is None else environ
    url = nats_url or ("" if folder else env.get("NATS_URL", ""))
    if url:
        return BrokerAccess.of(url, user_of(env), "admin")
    held = StateFolder(state_dir(str(folder or env.get("MESH_STATE_DIR", ""))))
    record = held.read("nats", BrokerRecord)
    if record is None or not record.url or not held.is_held():
        raise BusError(f"no mesh is running on {held.path}: start one with `mesh up`")
    return record.access("admin")


def user_of(environ: Mapping[str, str]) -> NatsUser:
    """Return who the environment says we are at `NATS_URL`; empty if it says nothing."""
    for prefix in ("MESH_", ""):
        if user := environ.get(f"{prefix}NATS_USER"):
            return NatsUser(user=user, password=environ.get(f"{prefix}NATS_PASSWORD", ""))
    return NOBODY
