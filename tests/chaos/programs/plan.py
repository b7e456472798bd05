"""What is odd about the mesh under test: read by the programs that stand in for the real ones."""

import os
from pathlib import Path

import msgspec

PLAN_ENV = "CHAOS_PLAN"
FILE = "plan.json"


class Oddity(msgspec.Struct, frozen=True, kw_only=True):
    """How one of several equal programs differs: another way to the broker, another environment."""

    nats_url: str = ""
    environ: dict[str, str] = {}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How the first worker and the first gateway to start differ; a bug that all of them have."""

    worker: Oddity | None = None
    gateway: Oddity | None = None
    bug: str = ""

    def write(self, path: Path) -> None:
        """Keep it where the programs find it."""
        path.write_bytes(msgspec.json.encode(self))


def read() -> Plan:
    """Return the plan this program was started under."""
    return msgspec.json.decode(plan_path().read_bytes(), type=Plan)


def plan_path() -> Path:
    """Return where the plan is."""
    return Path(os.environ[PLAN_ENV])


def claim(role: str) -> bool:
    """Take the part of the odd one; False if another process has it."""
    try:
        fd = os.open(claimed(plan_path().parent, role), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    os.write(fd, str(os.getpid()).encode())
    os.close(fd)
    return True


def claimed(folder: Path, role: str) -> Path:
    """Return the file that holds the pid of the odd one, once there is one."""
    return folder / f"odd-{role}"
