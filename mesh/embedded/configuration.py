"""What a nats-server must be told to be the broker of a mesh, embedded or not. Ring: values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mesh.embedded.permissions import ProducerUser, authorization
from mesh.errors import SpecError
from mesh.settings import ROLES, NatsSettings, NatsUser, Role

PORT: Final = 4222


def server_configuration(
    nats: NatsSettings,
    users: dict[Role, NatsUser],
    store_dir: str,
    producers: Sequence[ProducerUser] = (),
) -> dict[str, Any]:
    """Return the server's configuration; JSON is a form of it that the server reads.

    Raises:
        SpecError: a role has no user.
    """
    refuse_missing_users(users)
    interval = f"{nats.sync_interval_s:g}s" if nats.sync_interval_s else "always"
    return {
        "server_name": "serving-mesh",
        "host": nats.host,
        "port": nats.port or PORT,
        "max_payload": nats.max_payload_bytes,
        "jetstream": {
            "store_dir": store_dir,
            "max_file_store": nats.max_file_store_bytes,
            "max_memory_store": nats.max_memory_store_bytes,
            "sync_interval": interval,
        },
        "authorization": authorization(users, producers),
    }


def refuse_missing_users(users: dict[Role, NatsUser]) -> None:
    """Refuse users that leave out a role, or share a name: the server tells them apart by it.

    Raises:
        SpecError: and which.
    """
    for role in ROLES:
        user = users.get(role)
        if user is None or not user.user or not user.password:
            prefix = f"MESH_NATS__USERS__{role.upper()}__"
            raise SpecError(
                f"nats.users.{role}: needs a user and a password: {prefix}USER, {prefix}PASSWORD"
            )
    names = [user.user for user in users.values()]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(
                f"nats.users: user '{name}': stands for several roles; each needs its own"
            )
