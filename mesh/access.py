"""Signing in to the broker with the credentials of a role. Ring: adapter."""

from __future__ import annotations

from mesh.bus import Bus
from mesh.settings import BrokerAccess


async def sign_in(access: BrokerAccess, name: str, timeout_s: float = 5.0) -> Bus:
    """Connect, waiting at most `timeout_s` seconds; `name` is what the broker calls us.

    Raises:
        BusError: no server answered, it refused us, or it is too old.
    """
    return await Bus.connect(
        access.url,
        name=name,
        user=access.user,
        password=access.password,
        inbox_prefix=access.inbox_prefix,
        timeout_s=timeout_s,
    )
