"""What one worker process is: an instance of a deployment at one generation. Ring: adapter."""

from __future__ import annotations

from typing import NamedTuple

from mesh import subjects
from mesh.bus import Bus
from mesh.records import DeploymentRecord
from mesh.subjects import WorkerAddress


class Assignment(NamedTuple):
    """Which instance a worker is to be; `generation` is None for the one that serves.

    `by_hand`: a person started it, no launcher.
    """

    address: WorkerAddress
    generation: int | None
    by_hand: bool = False


class Instance(NamedTuple):
    """Identity and connection of this worker."""

    bus: Bus
    address: WorkerAddress
    record: DeploymentRecord
    by_hand: bool = False

    @property
    def stream(self) -> str:
        """The work queue it serves."""
        return subjects.work_stream(self.address.endpoint, self.address.deployment)
