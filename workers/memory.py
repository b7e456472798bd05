"""How much memory this process and its children may have together. Ring: adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psutil

OWN: Final = Path("/proc/self/cgroup")
ROOT: Final = Path("/sys/fs/cgroup")
UNIFIED: Final = "0::"  # the line of cgroup v2


def memory_limit_bytes(own: Path = OWN, root: Path = ROOT) -> int:
    """Return the least of the limits of its cgroup (v2), of those above it, and of the machine."""
    limits = [psutil.virtual_memory().total]
    for group in _groups(own):
        try:
            text = (root / group / "memory.max").read_text("ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            limits.append(int(text))
    return min(limits)


def _groups(own: Path) -> list[Path]:
    """The cgroup of this process and all above it, relative to the root."""
    try:
        lines = own.read_text("utf-8").splitlines()
    except OSError:
        return []
    paths = [Path(line.removeprefix(UNIFIED).lstrip("/")) for line in lines if UNIFIED in line[:3]]
    return [group for path in paths for group in (path, *path.parents)]
