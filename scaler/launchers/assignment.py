"""Which GPU an instance gets. Ring: decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mesh.gpus import Gpu


def least_loaded(gpus: Sequence[Gpu], taken: Iterable[str]) -> Gpu:
    """Return the GPU with the fewest instances, the first of several.

    Args:
        gpus: at least one.
        taken: the UUID that each living instance has; what is not among `gpus` does not count.
    """
    load = Counter(taken)
    return min(gpus, key=lambda gpu: load[gpu.uuid])
