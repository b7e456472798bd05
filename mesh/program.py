"""Where a program finds its settings: in the file `mesh up` wrote, or in its own environment.

By itself, as in a container, a program is started with neither file nor `mesh up`. Ring: adapter.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec.structs import replace

from mesh.connect import user_of
from mesh.errors import SpecError
from mesh.settings import (
    ROLES,
    NatsSettings,
    NatsUser,
    Role,
    Settings,
    load_settings,
    read_settings,
)


def program_settings(path: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a program.

    Args:
        path: the file `mesh up` wrote; None for a program that was started by itself.
        environ: the environment, by default the process's own.

    Raises:
        SpecError: a setting is wrong, or there is no address of a broker.
    """
    if path is not None:
        return read_settings(path)
    env = os.environ if environ is None else environ
    settings = load_settings(environ=env)
    if not settings.nats.url:
        raise SpecError("nats.url (NATS_URL): is needed: only `mesh up` starts a nats-server")
    return replace(settings, nats=known_users(settings.nats, user_of(env)))


def known_users(nats: NatsSettings, everybody: NatsUser) -> NatsSettings:
    """Return the settings with a user for each role: `everybody` where they name none."""
    users: dict[Role, NatsUser] = dict.fromkeys(ROLES, everybody) if everybody.user else {}
    return replace(nats, users=users | nats.users)
