"""The gateway's heartbeat: once a second, and at once when a new config revision is applied.

Ring: service.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import msgspec
import psutil

from mesh import subjects, wire
from mesh.bus import Outlet
from mesh.errors import BusError

BEAT_S = 1.0


class Heartbeat:
    """Says how this gateway is. `describe` gives what changes from beat to beat."""

    def __init__(
        self, gateway: str, outlet: Outlet, describe: Callable[[], dict[str, object]]
    ) -> None:
        self._outlet = outlet
        self._describe = describe
        self._subject = subjects.gateway_heartbeat(gateway)
        self._said = wire.GatewayHeartbeat(
            gateway=gateway, revision=0, pid=os.getpid(), host=socket.gethostname()
        )
        self._process = psutil.Process()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Beat now, and every second from now on."""
        self.beat()
        self._timer = self._loop.call_later(BEAT_S, self.start)

    def beat(self) -> None:
        """Say it now."""
        said = msgspec.structs.replace(
            self._said, memory_bytes=self._process.memory_info().rss, **self._describe()
        )
        try:
            self._outlet.post(self._subject, wire.encode(said))
        except BusError:
            return  # the broker is away: it hears the next one

    def stop(self) -> None:
        """Say that this gateway is leaving, and no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._said = msgspec.structs.replace(self._said, leaving=True)
        self.beat()
