"""The observed state of deployments: in memory, and written through to the state bucket.

The leader alone writes it, so memory is what counts. Ring: adapter.
"""

from __future__ import annotations

import logging
import time
from typing import Final, Self

import msgspec
from msgspec.structs import replace

from mesh import subjects
from mesh.bus import Bucket, Bus
from mesh.records import DeploymentState
from mesh.store import ConfigView

log = logging.getLogger("scaler.states")

UNKNOWN: Final = DeploymentState(state="Creating")
Address = tuple[str, str]

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(DeploymentState).decode


class States:
    """What was last seen of each deployment."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._states: dict[Address, DeploymentState] = {}

    def __repr__(self) -> str:
        return f"<States deployments={len(self._states)}>"

    @classmethod
    async def open(cls, bus: Bus) -> Self:
        """Read what earlier leaders wrote."""
        states = cls(await Bucket.open(bus, subjects.STATE_BUCKET))
        view = ConfigView(bus, subjects.STATE_BUCKET)
        await view.start()
        await view.close()
        for key, value in view.entries.items():
            _, endpoint, name = key.split(".")
            try:
                states._states[endpoint, name] = decode(value)
            except msgspec.MsgspecError as exc:
                log.error("states.unreadable key=%s %s", key, exc)
        return states

    def addresses(self) -> list[Address]:
        """Every deployment with a state."""
        return list(self._states)

    def get(self, endpoint: str, name: str) -> DeploymentState:
        """The last state; that of a deployment nobody has looked at yet if there is none."""
        return self._states.get((endpoint, name), UNKNOWN)

    async def set(self, endpoint: str, name: str, state: DeploymentState) -> bool:
        """Write a state if it differs from the last one in anything but its time; tell if so."""
        last = self._states.get((endpoint, name))
        if last is not None and replace(last, changed_at_s=state.changed_at_s) == state:
            return False
        state = replace(state, changed_at_s=time.time())
        await self._bucket.put(subjects.deployment_key(endpoint, name), encode(state))
        self._states[endpoint, name] = state
        return True

    async def delete(self, endpoint: str, name: str) -> None:
        """Forget a deployment."""
        await self._bucket.delete(subjects.deployment_key(endpoint, name))
        self._states.pop((endpoint, name), None)
