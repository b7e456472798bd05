"""What every verb works with, and a rule that several verbs share. Ring: service."""

from __future__ import annotations

import asyncio

from mesh.bus import Bucket, Bus
from mesh.errors import SpecError
from mesh.events import Events
from scaler.depth import Depths
from scaler.keeper import Parts
from scaler.observe import Observer
from scaler.registry import Registry
from scaler.removal import Removals
from scaler.scaling import Scaling
from scaler.states import States


class Desk:
    """The parts of the scaler that verbs use."""

    def __init__(self, parts: Parts, depths: Depths, keys: Bucket) -> None:
        self.bus: Bus = parts.bus
        self.registry: Registry = parts.registry
        self.states: States = parts.states
        self.observer: Observer = parts.observer
        self.events: Events = parts.events
        self.removals: Removals = parts.removals
        self.leads = parts.leads
        self.refuse_scaling = parts.refuse_scaling
        self.scaling: Scaling = parts.scaling
        self.capacity = parts.capacity
        self.depths = depths
        self.keys = keys
        self.clock = asyncio.get_running_loop().time

    def __repr__(self) -> str:
        return f"<Desk {self.registry!r}>"


def refuse_change(what: str, before: object, after: object) -> None:
    """Refuse to change what cannot be changed.

    Raises:
        SpecError: it differs.
    """
    if before != after:
        raise SpecError(f"{what}: {after!r}: cannot be changed after creation, it is {before!r}")
