"""The GPUs of a machine, and which of them a `CUDA_VISIBLE_DEVICES` leaves. Ring: values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"


class Gpu(msgspec.Struct, frozen=True):
    """One GPU; `index` is its place on the PCI bus, as `nvidia-smi` counts.

    `memory_bytes` is 0 where it is not known.
    """

    index: int
    uuid: str
    name: str
    memory_bytes: int = 0


class Gpus(msgspec.Struct, frozen=True, kw_only=True):
    """The GPUs there are; without any, `reason` says why."""

    found: tuple[Gpu, ...] = ()
    reason: str = ""


def visible(gpus: Gpus, wish: str | None) -> Gpus:
    """Return the GPUs that `wish`, the value of CUDA_VISIBLE_DEVICES, leaves; None leaves all.

    As CUDA reads it: indexes, or UUIDs and beginnings of them; what follows one that is not there
    is left out.
    """
    if wish is None or not gpus.found:
        return gpus
    kept: list[Gpu] = []
    for word in wish.split(","):
        gpu = _named(gpus.found, word.strip())
        if gpu is None:
            break
        if gpu not in kept:
            kept.append(gpu)
    reason = "" if kept else f"{VISIBLE}={wish} hides every one of {len(gpus.found)}"
    return Gpus(found=tuple(kept), reason=reason)


def _named(gpus: Sequence[Gpu], word: str) -> Gpu | None:
    if not word:
        return None
    return next((gpu for gpu in gpus if word == str(gpu.index) or _begins(gpu.uuid, word)), None)


def _begins(uuid: str, word: str) -> bool:
    return word.startswith("GPU-") and uuid.startswith(word)
