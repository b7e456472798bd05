"""The state folder: where everything lives, who holds it, and the records kept in it.

`nats/` queues and buckets; `run/` what runs now (records, ports, credentials); `logs/`;
`workers/` instances and what they fetched. Ring: adapter.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from mesh.errors import SpecError
from mesh.jsonfile import write_record
from mesh.process import Identity
from mesh.settings import NOBODY, BrokerAccess, NatsUser, Role

_T = TypeVar("_T")

# Whoever asks whether the folder is held holds it for an instant.
LOCK_TRIES: Final = 3
LOCK_WAIT_S: Final = 0.05


class ProgramView(msgspec.Struct, frozen=True, kw_only=True):
    """One program under `mesh up` as it is now."""

    name: str
    pid: int
    create_time: float
    state: str
    url: str = ""
    metrics_url: str = ""
    restarts: int = 0


class MeshRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `mesh up` says of itself; there is one while it runs."""

    pid: int
    create_time: float
    nats_url: str
    embedded: bool
    ready: bool = False
    programs: list[ProgramView] = []

    def processes(self) -> list[Identity]:
        """Return the programs and `mesh up` itself, as they were last recorded."""
        me = Identity(pid=self.pid, create_time=self.create_time)
        return [Identity(pid=one.pid, create_time=one.create_time) for one in self.programs] + [me]


class BrokerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is, and everybody's passwords; only the owner may read it.

    The port and the passwords outlive `mesh down`, so that a restart changes nothing.
    """

    url: str = ""
    port: int = 0
    embedded: bool = True
    users: dict[Role, NatsUser] = {}

    def access(self, role: Role) -> BrokerAccess:
        """Return how `role` signs in."""
        return BrokerAccess.of(self.url, self.users.get(role, NOBODY), role)


class StateFolder:
    """One state folder. Only the holder of its lock writes into `run/`."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.nats = self.path / "nats"
        self.run = self.path / "run"
        self.logs = self.path / "logs"
        self.workers = self.path / "workers"

    def __repr__(self) -> str:
        return f"<StateFolder {self.path}>"

    def prepare(self) -> None:
        """Create what is missing; only the owner may look into it.

        Raises:
            SpecError: it cannot be created, or not be written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.nats, self.run, self.logs, self.workers, self.run / "ports"):
                folder.mkdir(mode=0o700, exist_ok=True)
                if not os.access(folder, os.W_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        except OSError as exc:
            raise SpecError(
                f"state_dir: '{self.path}': cannot be used: {exc.filename}: {exc.strerror}; "
                "--state-dir or MESH_STATE_DIR names another folder"
            ) from exc

    @contextlib.contextmanager
    def lock(self) -> Iterator[bool]:
        """Hold the folder, or yield False if somebody else does; the system frees it at our end."""
        fd = os.open(self.run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield any(_try_lock(fd) for _ in range(LOCK_TRIES))
        finally:
            os.close(fd)

    def is_held(self) -> bool:
        """Tell whether a `mesh up` runs on this folder."""
        if not os.access(self.run / "lock", os.W_OK):
            return False
        fd = os.open(self.run / "lock", os.O_RDWR)
        try:
            return not _try_lock(fd, wait_s=0)
        finally:
            os.close(fd)

    def mesh(self) -> MeshRecord | None:
        """Return the last record of `mesh up`; it may be dead by now."""
        return self.read("mesh", MeshRecord)

    def read(self, name: str, kind: type[_T]) -> _T | None:
        """Return a record of `run/`, None if there is none that can be read."""
        try:
            return msgspec.json.decode((self.run / f"{name}.json").read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError):
            return None

    def write(self, name: str, record: Any, *, mode: int = 0o644) -> Path:
        """Replace a record of `run/`."""
        path = self.run / f"{name}.json"
        write_record(path, record, mode=mode)
        return path

    def forget(self, *names: str) -> None:
        """Remove records of `run/`."""
        for name in names:
            (self.run / f"{name}.json").unlink(missing_ok=True)

    def instances(self) -> list[Identity]:
        """Return the workers that were launched and not seen to end."""
        found: list[Identity] = []
        for path in sorted(self.workers.glob("*.json")):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                found.append(msgspec.json.decode(path.read_bytes(), type=Identity))
        return found

    def leftovers(self) -> list[Identity]:
        """Return every recorded process that still runs."""
        mesh = self.mesh()
        recorded = [*(mesh.processes() if mesh else []), *self.instances()]
        return [identity for identity in recorded if identity.is_alive()]


def _try_lock(fd: int, wait_s: float = LOCK_WAIT_S) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(wait_s)
        return False
    return True
