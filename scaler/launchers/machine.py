"""What this machine has, and the best way it allows to hold instances to their limits.

Ring: adapter.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

import psutil

from mesh.gpus import Gpus
from mesh.settings import ScalerSettings
from scaler.launchers.assignment import Machine
from scaler.launchers.cgroup import CgroupError, open_cgroups
from scaler.launchers.limits import Limiter, Unlimited
from scaler.launchers.watcher import Watcher

log = logging.getLogger("scaler.launchers.machine")

# What a container may use at most, by cgroup v2 and v1; without one they say nothing, or too much.
CONTAINER_LIMITS: Final = ("memory.max", "memory/memory.limit_in_bytes")
CGROUPS: Final = Path("/sys/fs/cgroup")


def own_machine(settings: ScalerSettings, gpus: Gpus) -> Machine:
    """Return what instances may use here: the cores and the memory that we may, these GPUs."""
    return Machine(
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        memory_bytes=own_memory_bytes(psutil.virtual_memory().total),
        gpus=gpus,
        strict=settings.limits == "strict",
    )


def own_memory_bytes(total_bytes: int, cgroups: Path = CGROUPS) -> int:
    """Return the memory of the machine, or of the container that we are in, if that has less."""
    for name in CONTAINER_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # not there, or `max`
            total_bytes = min(total_bytes, int((cgroups / name).read_text()))
    return total_bytes


def open_limiter(settings: ScalerSettings, state_dir: Path) -> Limiter:
    """Return what holds instances to their limits: cgroups where they may be used."""
    limiter: Limiter
    if settings.limits == "none":
        return Unlimited()
    try:
        limiter = open_cgroups(state_dir, settings.cgroup)
    except (CgroupError, OSError) as exc:
        if settings.cgroup:
            log.warning("limits.no_cgroup chosen=%s %s", settings.cgroup, exc)
        limiter = Watcher(str(exc))
    log.info("limits.held by=%s", limiter.text)
    return limiter
