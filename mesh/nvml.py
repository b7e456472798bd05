"""The one door to NVML, NVIDIA's library that knows the GPUs; loaded when it is asked first.

No package, no driver and no GPU are ordinary: they come as a reason. Calls take up to some
milliseconds, the first one longer, and belong into a thread. Ring: adapter.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from mesh.errors import MeshError
from mesh.figures import GpuFigures
from mesh.gpus import VISIBLE, Gpu, Gpus, visible


class GpuError(MeshError):
    """The GPU cannot be asked."""

    code = "gpu"


def find_gpus() -> Gpus:
    """Return the GPUs this process may use, or why there are none."""
    try:
        library = _open()
        with _translated(library):
            found = tuple(_gpu(library, index) for index in range(library.nvmlDeviceGetCount()))
            library.nvmlShutdown()
    except GpuError as exc:
        return Gpus(reason=exc.message)
    if not found:
        return Gpus(reason="NVML finds none")
    return visible(Gpus(found=found), os.environ.get(VISIBLE))


class Device:
    """One GPU that can be asked how it is."""

    def __init__(self, library: Any, handle: Any, gpu: Gpu) -> None:
        self._library = library
        self._handle = handle
        self._gpu = gpu

    def __repr__(self) -> str:
        return f"<Device {self._gpu.uuid}>"

    @classmethod
    def open(cls, uuid: str) -> Device:
        """Find the GPU with this UUID.

        Raises:
            GpuError: there is none, or NVML cannot be used.
        """
        library = _open()
        with _translated(library):
            handle = library.nvmlDeviceGetHandleByUUID(uuid)
            gpu = _gpu(library, library.nvmlDeviceGetIndex(handle))
        return cls(library, handle, gpu)

    def read(self) -> GpuFigures:
        """Return how busy it is now, all processes together.

        Raises:
            GpuError: it does not answer.
        """
        with _translated(self._library):
            memory = self._library.nvmlDeviceGetMemoryInfo(self._handle)
            return GpuFigures(
                uuid=self._gpu.uuid,
                name=self._gpu.name,
                percent=self._percent(),
                memory_bytes=memory.used,
                memory_total_bytes=memory.total,
            )

    def close(self) -> None:
        """Let go of NVML."""
        with contextlib.suppress(GpuError), _translated(self._library):
            self._library.nvmlShutdown()

    def _percent(self) -> float | None:
        """Percent of the last moments in which it worked; slices of a GPU do not know it."""
        try:
            return float(self._library.nvmlDeviceGetUtilizationRates(self._handle).gpu)
        except self._library.NVMLError_NotSupported:
            return None


def _open() -> Any:
    """Load and start NVML; each start wants a shutdown.

    Raises:
        GpuError: it is not there.
    """
    try:
        import pynvml  # noqa: PLC0415  # an optional package
    except ImportError:
        text = "nvidia-ml-py is not installed: pip install -r requirements/gpu.txt"
        raise GpuError(text) from None
    with _translated(pynvml):
        pynvml.nvmlInit()
    return pynvml


@contextlib.contextmanager
def _translated(library: Any) -> Iterator[None]:
    try:
        yield
    except library.NVMLError as exc:
        raise GpuError("NVML: " + str(exc).removeprefix("NVML ")) from exc


def _gpu(library: Any, index: int) -> Gpu:
    handle = library.nvmlDeviceGetHandleByIndex(index)
    uuid, name = library.nvmlDeviceGetUUID(handle), library.nvmlDeviceGetName(handle)
    return Gpu(index, uuid, name, library.nvmlDeviceGetMemoryInfo(handle).total)
