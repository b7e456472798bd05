"""What starts and ends instances: the contract every launcher keeps. Ring: values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

import msgspec

from mesh.errors import MeshError
from mesh.spec.options import Device
from mesh.subjects import WorkerAddress


class LaunchError(MeshError):
    """The instance could not be started."""

    code: ClassVar[str] = "launch_failed"


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that has not ended. Times are of the loop's clock; `gpu` is a UUID, or empty."""

    address: WorkerAddress
    generation: int
    pid: int
    started_s: float
    draining_since_s: float | None = None
    gpu: str = ""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that has ended. `code` is None if it cannot be known; signals are negative."""

    running: Running
    code: int | None
    last_words: str = ""


OnEnded = Callable[[Ended], None]


class Launcher(Protocol):
    """Starts, drains and kills instances, and tells when one has ended.

    All of it is immediate: what `launch` has started is in `running` when it returns, and what has
    ended is in it no more when the launcher's `on_ended` is called.
    """

    def running(self) -> Sequence[Running]:
        """Every instance that has not ended, those of an earlier scaler included."""

    def lacks(self, device: Device) -> str:
        """Why no instance can have such a device here; empty if one can."""

    def launch(self, address: WorkerAddress, generation: int, device: Device = "cpu") -> None:
        """Start an instance; `cuda` gives it one GPU.

        Raises:
            LaunchError: it could not be started.
        """

    def drain(self, address: WorkerAddress) -> None:
        """Ask an instance to finish what it has and exit; harmless if it has ended."""

    def kill(self, address: WorkerAddress) -> None:
        """End an instance at once; harmless if it has ended."""

    async def close(self) -> None:
        """Let go of the instances; they live on."""
