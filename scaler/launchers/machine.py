"""What this machine has, and the best way it allows to hold instances to their limits.

Ring: adapter.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import psutil

from mesh.gpus import Gpus
from mesh.settings import ScalerSettings
from scaler.launchers.assignment import Machine
from scaler.launchers.cgroup import CgroupError, open_cgroups
from scaler.launchers.limits import Limiter, Unlimited
from scaler.launchers.watcher import Watcher

log = logging.getLogger("scaler.launchers.machine")


def own_machine(settings: ScalerSettings, gpus: Gpus) -> Machine:
    """Return what instances may use here: the cores that we may, all memory, these GPUs."""
    return Machine(
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        memory_bytes=psutil.virtual_memory().total,
        gpus=gpus,
        strict=settings.limits == "strict",
    )


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
