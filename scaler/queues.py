"""Asking the broker how much a deployment's queue holds. Ring: adapter."""

from __future__ import annotations

from typing import Final

import msgspec

from mesh import subjects
from mesh.bus import ApiError, Bus
from mesh.streams import STREAM_NOT_FOUND

SHADOW: Final = "shadow"

Lanes = dict[str, int]


class Measured(msgspec.Struct, frozen=True):
    """A queue at one moment.

    `lanes`: requests queued or being worked on, by lane. `taken`: how many were ever given to a
    worker, shadows apart.
    """

    lanes: Lanes
    taken: int = 0

    @property
    def depth(self) -> int:
        """Requests queued or being worked on, shadows apart."""
        return sum(self.lanes.values()) - self.shadows

    @property
    def shadows(self) -> int:
        """Shadows queued or being worked on."""
        return self.lanes.get(SHADOW, 0)


async def measure(bus: Bus, endpoint: str, deployment: str) -> Measured | None:
    """Ask what a deployment's queue holds; None if there is no queue.

    Raises:
        BusError: the broker is away.
    """
    try:
        stream = subjects.work_stream(endpoint, deployment)
        answer = await bus.api(f"CONSUMER.LIST.{stream}", {"offset": 0})
    except ApiError as exc:
        if exc.err_code == STREAM_NOT_FOUND:
            return None
        raise
    lanes = {
        info["name"]: info
        for info in answer.get("consumers") or []
        if info["name"] in subjects.LANES
    }
    return Measured(
        lanes={
            lane: info.get("num_pending", 0) + info.get("num_ack_pending", 0)
            for lane, info in lanes.items()
        },
        taken=sum(
            info["delivered"]["consumer_seq"] for lane, info in lanes.items() if lane != SHADOW
        ),
    )
