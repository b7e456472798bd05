"""What starts and ends instances: the contract every launcher keeps. Ring: values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Protocol

import msgspec

from mesh.errors import MeshError
from mesh.spec.options import Device
from mesh.subjects import WorkerAddress


class LaunchError(MeshError):
    """The instance could not be started."""

    code: ClassVar[str] = "launch_failed"


class NoRoomError(LaunchError):
    """There is no room for the instance now."""

    code: ClassVar[str] = "no_room"


class Need(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an instance is given. Zero is no limit, and nothing set aside.

    `cores` and `memory_bytes` are the most it may use, the `reserved_` ones what is set aside for
    it. `gpus` is a whole number, or a fraction of one; `gpu_memory_bytes` the memory of each, or of
    the fraction. `device` cuda without `gpus` shares one. `threads`: how many a library of its
    should start by itself.
    """

    device: Device = "cpu"
    cores: float = 0.0
    memory_bytes: int = 0
    reserved_cores: float = 0.0
    reserved_memory_bytes: int = 0
    gpus: float = 0.0
    gpu_memory_bytes: int = 0
    threads: int = 0

    @property
    def wants_gpu(self) -> bool:
        """Whether it is to see a GPU."""
        return self.device == "cuda" or self.gpus > 0


NOTHING: Final = Need()


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an instance is on its machine.

    `gpus` are UUIDs, `share` how much of each is its own (0: it shares with others); `cpus` the
    cores it is bound to, empty for all.
    """

    gpus: tuple[str, ...] = ()
    share: float = 0.0
    cpus: tuple[int, ...] = ()

    @property
    def visible(self) -> str:
        """The value of CUDA_VISIBLE_DEVICES."""
        return ",".join(self.gpus)


ANYWHERE: Final = Place()


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that has not ended. Times are of the loop's clock.

    `trouble` is what it has lately gone through and lived on, such as a runner that used up the
    memory.
    """

    address: WorkerAddress
    generation: int
    pid: int
    started_s: float
    draining_since_s: float | None = None
    need: Need = NOTHING
    place: Place = ANYWHERE
    trouble: str = ""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that has ended. `code` is None if it cannot be known; signals are negative.

    `why` is what the launcher itself knows of the reason, such as that its memory was used up.
    """

    running: Running
    code: int | None
    last_words: str = ""
    why: str = ""


OnEnded = Callable[[Ended], None]
OnOutOfMemory = Callable[[Running], None]


class Launcher(Protocol):
    """Starts, drains and kills instances, and tells when one has ended.

    All of it is immediate: what `launch` has started is in `running` when it returns, and what has
    ended is in it no more when the launcher's `on_ended` is called, once for each instance.
    """

    @property
    def limits(self) -> str:
        """By what means instances are held to what they are given, in words."""

    def running(self) -> Sequence[Running]:
        """Every instance that has not ended, those of an earlier scaler included."""

    def lacks(self, need: Need) -> str:
        """Why no instance can ever have what it needs here; empty if one can."""

    def short(self, need: Need) -> str:
        """What an instance gets less than it asks for, and is started anyway; empty if nothing."""

    def launch(self, address: WorkerAddress, generation: int, need: Need = NOTHING) -> None:
        """Start an instance.

        Raises:
            NoRoomError: others have what it needs; later there may be room.
            LaunchError: it could not be started.
        """

    def drain(self, address: WorkerAddress) -> None:
        """Ask an instance to finish what it has and exit; harmless if it has ended."""

    def kill(self, address: WorkerAddress) -> None:
        """End an instance at once; harmless if it has ended."""

    async def close(self) -> None:
        """Let go of the instances; they live on."""
