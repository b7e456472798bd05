"""Figures that instances measure of themselves, as they stand in control messages. Ring: values."""

from __future__ import annotations

import msgspec


class ServiceTime(msgspec.Struct, frozen=True, kw_only=True):
    """How long a deployment takes: moving figures over recent requests, in seconds.

    `mean_s` and `peak_s` are of run(); `slot_s` is how long a slot is taken, the time included in
    which run() waits for a process that is free, and the slot for a request that is on its way.
    """

    mean_s: float = 0.0
    peak_s: float = 0.0
    answered: int = 0
    slot_s: float = 0.0


class GpuFigures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How busy a GPU is, all its processes together; `percent` is None where it is not known."""

    uuid: str
    name: str = ""
    percent: float | None = None
    memory_bytes: int = 0
    memory_total_bytes: int = 0


def size_text(size_bytes: float) -> str:
    """A size in the largest unit that leaves a digit before the point."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"
