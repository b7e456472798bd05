"""Arrays on the GPU: the one file that imports cupy, that of the script's interpreter.

Ring: adapter.
"""

from __future__ import annotations

import os
from typing import Any

import cupy

from .infer import Place
from .script import ScriptError


class Device:
    """The GPU that this process sees, and the stream on which arrays travel.

    The script finds the stream as cupy's current one. It waits for the default stream and is
    waited for by it, so the work of other libraries stays in order too.
    """

    def __init__(self) -> None:
        self._stream = cupy.cuda.Stream()  # cupy itself does not keep it alive
        self._stream.use()

    def give(self, array: Any) -> Any:
        """Copy an array to the GPU; texts stay where they are, no GPU knows them."""
        return array if array.dtype == object else cupy.asarray(array)

    def take(self, value: Any) -> Any:
        """Copy an array back, whichever library made it, once the stream has come so far.

        What does not live on the GPU is returned as it is: nothing is copied in secret.
        """
        if hasattr(value, "__cuda_array_interface__"):
            return cupy.asnumpy(cupy.asarray(value))
        return value


def device() -> Place:
    """Return the GPU as the place where arrays live; call in the thread that calls `run`.

    Raises:
        ScriptError: cupy finds no GPU.
    """
    seen = f"CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES', '')}"
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as exc:  # none, or a driver that is too old
        raise ScriptError(f"mesh.device: cuda: cupy finds no GPU ({seen}): {exc}") from exc
    found = Device()
    return Place(found.give, found.take)
