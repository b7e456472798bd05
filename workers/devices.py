"""The GPU that the launcher gave this instance, and how busy it is: read once a second in a thread.

A driver that does not answer stops the figures, never the heartbeat. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from mesh.figures import GpuFigures
from mesh.nvml import Device, GpuError

log = logging.getLogger("workers.devices")

PERIOD_S: Final = 1.0
STALE_S: Final = 5.0


class DeviceWatch:
    """The figures of one GPU, `uuid` as CUDA_VISIBLE_DEVICES has it."""

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid
        self._clock = asyncio.get_running_loop().time
        self._last: GpuFigures | None = None
        self._read_at_s = 0.0

    def __repr__(self) -> str:
        return f"<DeviceWatch {self._uuid}>"

    @property
    def figures(self) -> GpuFigures | None:
        """What was read last; None before that, and when it is too old to be true."""
        return self._last if self._clock() - self._read_at_s <= STALE_S else None

    async def run(self) -> None:
        """Read for ever; without NVML there are no figures, and the instance serves on."""
        try:
            device = await asyncio.to_thread(Device.open, self._uuid)
        except GpuError as exc:
            log.warning("device.unknown uuid=%s %s", self._uuid, exc)
            return
        try:
            while True:
                await self._read(device)
                await asyncio.sleep(PERIOD_S)
        finally:
            device.close()

    async def _read(self, device: Device) -> None:
        try:
            self._last = await asyncio.to_thread(device.read)
        except GpuError as exc:
            log.warning("device.unread uuid=%s %s", self._uuid, exc)
        else:
            self._read_at_s = self._clock()
