"""Limits by cgroup v2: a group for each instance, below a folder that the mesh may write.

Beyond its memory the kernel kills an instance's largest process, as a rule a runner; the worker
then counts an attempt of the request that did it. That is why `memory.oom.group` stays 0: killed as
a whole the instance would hand the request on to the next one. Ring: adapter.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from mesh.errors import MeshError
from mesh.figures import size_text
from mesh.subjects import WorkerAddress
from scaler.launchers import Need, Running
from scaler.launchers.limits import Overrun, out_of_memory
from scaler.launchers.proctree import tree

CONTROLLERS: Final = frozenset({"cpu", "memory"})
PERIOD_US: Final = 100_000
HEAVIEST: Final = 10_000
FOLDER: Final = "serving-mesh"


class CgroupError(MeshError):
    """Cgroups cannot be used here."""

    code = "cgroup"


class _Group:
    """The group of one instance, and how many of its processes have been killed and told."""

    def __init__(self, folder: Path, need: Need) -> None:
        self.folder = folder
        self.limit_bytes = need.memory_bytes
        self.before = self.count()
        self.told = 0

    def __repr__(self) -> str:
        return f"<_Group {self.folder}>"

    def count(self) -> int:
        """How many processes the kernel has killed in it for its memory."""
        with contextlib.suppress(OSError, ValueError):
            for line in (self.folder / "memory.events").read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        return 0

    def text(self) -> str:
        """What has happened in it; empty if nothing."""
        kills = self.count() - self.before
        return out_of_memory(size_text(self.limit_bytes), kills) if kills > 0 else ""


class Cgroups:
    """The groups of all instances, below `base`."""

    binds_cores = False

    def __init__(self, base: Path) -> None:
        self._base = base
        self._groups: dict[WorkerAddress, _Group] = {}
        self._left = {folder for folder in base.iterdir() if folder.is_dir()}
        self._sweep()  # groups of instances that ended while no scaler lived
        self.text = f"cgroup v2 ({base})"

    def __repr__(self) -> str:
        return f"<Cgroups {self._base}>"

    def hold(self, running: Running) -> None:
        """Make a group for an instance and put its processes into it."""
        folder = self._base / ".".join(running.address)
        folder.mkdir(exist_ok=True)
        for name, value in settings(running.need).items():
            (folder / name).write_text(value)
        with contextlib.suppress(FileNotFoundError, PermissionError):  # a kernel without swap
            if running.need.memory_bytes:
                (folder / "memory.swap.max").write_text("0")
        put_in(folder, running.pid)
        self._groups.setdefault(running.address, _Group(folder, running.need))

    def check(self) -> Sequence[Overrun]:
        """Tell whose processes the kernel has killed since the last time."""
        self._sweep()
        return list(self._killed())

    def release(self, address: WorkerAddress) -> str:
        """Forget an instance; tell why, if it was killed."""
        group = self._groups.pop(address, None)
        if group is None:
            return ""
        text = group.text()
        self._left.add(group.folder)
        self._sweep()
        return text

    def _killed(self) -> Iterator[Overrun]:
        for address, group in list(self._groups.items()):
            kills = group.count() - group.before
            if kills > group.told:
                group.told = kills
                yield Overrun(address=address, text=group.text())

    def _sweep(self) -> None:
        """Remove the groups of who has ended; one in which something still ends, later."""
        for folder in list(self._left):
            try:
                folder.rmdir()
            except FileNotFoundError:
                self._left.discard(folder)
            except OSError:
                continue
            else:
                self._left.discard(folder)


def settings(need: Need) -> dict[str, str]:
    """Return what is written into the group of an instance, by file."""
    quota = max(1000, round(need.cores * PERIOD_US)) if need.cores else "max"
    found = {
        "cpu.max": f"{quota} {PERIOD_US}",
        "memory.max": str(need.memory_bytes or "max"),
    }
    if cores := need.reserved_cores or need.cores:
        found["cpu.weight"] = str(max(1, min(HEAVIEST, round(cores * 100))))
    return found


def put_in(folder: Path, pid: int) -> None:
    """Move a process, and all it has started, into a group."""
    for one in tree(pid):
        with contextlib.suppress(ProcessLookupError):
            (folder / "cgroup.procs").write_text(str(one))


def open_cgroups(state_dir: Path, chosen: str = "", proc: Path = Path("/proc/self")) -> Cgroups:
    """Find a folder that the mesh may use, and make one of its own in it.

    Args:
        state_dir: the mesh whose instances these are.
        chosen: the folder; empty: the nearest above our own group that works.
        proc: where the kernel tells of us.

    Raises:
        CgroupError: there is none; it says why.
    """
    digest = hashlib.sha256(str(state_dir).encode()).hexdigest()[:8]
    folders = [Path(chosen)] if chosen else _candidates(proc)
    reason = ""
    for folder in folders:
        try:
            return Cgroups(_prepare(folder, f"{FOLDER}-{digest}"))
        except (OSError, CgroupError) as exc:
            reason = reason or f"{folder}: {getattr(exc, 'strerror', None) or exc}"
    raise CgroupError(f"cgroup v2 may not be used: {reason}")


def _candidates(proc: Path) -> list[Path]:
    """Our own group and those above it, up to the root."""
    mount, inside = _mount(proc), _own(proc)
    folder = mount / inside.lstrip("/")
    return [folder, *(above for above in folder.parents if above.is_relative_to(mount))]


def _mount(proc: Path) -> Path:
    for line in (proc / "mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2":
            return Path(before.split()[4])
    raise CgroupError("cgroup v2 may not be used: it is not mounted")


def _own(proc: Path) -> str:
    for line in (proc / "cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line.removeprefix("0::")
    raise CgroupError("cgroup v2 may not be used: we are in no group of it")


def _prepare(folder: Path, name: str) -> Path:
    """Make our folder in another one, with what it takes to limit CPU and memory."""
    there = set((folder / "cgroup.controllers").read_text().split())
    if missing := CONTROLLERS - there:
        raise CgroupError(f"it does not have the controllers {', '.join(sorted(missing))}")
    base = folder / name
    _enable(folder)
    base.mkdir(exist_ok=True)
    _enable(base)
    _try(base / "trial")
    return base


def _enable(folder: Path) -> None:
    control = folder / "cgroup.subtree_control"
    if CONTROLLERS - set(control.read_text().split()):
        control.write_text(" ".join(f"+{name}" for name in sorted(CONTROLLERS)))


def _try(folder: Path) -> None:
    """Put a process into a group, as it may be forbidden although all else is not."""
    folder.mkdir(exist_ok=True)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        try:
            (folder / "cgroup.procs").write_text(str(process.pid))
        finally:
            process.communicate()
    with contextlib.suppress(OSError):
        folder.rmdir()
