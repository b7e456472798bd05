"""How instances are held to what they are given, from outside: the contract. Ring: values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from mesh.subjects import WorkerAddress
from scaler.launchers import Running


class Overrun(msgspec.Struct, frozen=True, kw_only=True):
    """An instance has used up its memory, and a process of it was killed for that."""

    address: WorkerAddress
    text: str


class Limiter(Protocol):
    """Holds processes to their limits. `check` blocks, and belongs into a thread."""

    @property
    def text(self) -> str:
        """By what means, in words."""

    @property
    def binds_cores(self) -> bool:
        """Whether an instance is bound to the cores of its place, and may not use others."""

    def hold(self, running: Running) -> None:
        """Hold a process and all it has started and will start; harmless if repeated.

        Raises:
            OSError: it cannot be.
        """

    def check(self) -> Sequence[Overrun]:
        """Tell what has been killed since the last time."""

    def release(self, address: WorkerAddress) -> str:
        """Forget an instance that has ended; tell why, if it ended for its limits."""


class Unlimited:
    """Limits nothing."""

    text = "not held: an instance may use what the machine has"
    binds_cores = False

    def __repr__(self) -> str:
        return "<Unlimited>"

    def hold(self, running: Running) -> None:
        """Do nothing."""

    def check(self) -> Sequence[Overrun]:
        """Nothing is killed."""
        return ()

    def release(self, address: WorkerAddress) -> str:
        """Nothing is known."""
        return ""


def out_of_memory(limit_bytes_text: str, times: int) -> str:
    """Word what has happened to an instance."""
    often = f", {times} times" if times > 1 else ""
    return f"out of memory: limit {limit_bytes_text}: a process of it was killed{often}"
