"""Copies of live requests for a mirror deployment: sent after the live one is queued, and counted.

What becomes of a copy never reaches the client: a full lane, no workers, a mirror that is broken or
does not speak the request's protocol only show in the counts. Ring: service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from gateway.call import Call, new_request_id, request_fields
from gateway.meters import Meters, MirrorOutcome
from gateway.pending import Entry, Pending
from gateway.routes import timing_fields
from mesh import wire
from mesh.bus import Outlet
from mesh.errors import BusError, DeadlineExceededError, MeshError
from mesh.v2 import is_v2

SHADOW_TTL_S: Final = 60
PUBACK_S: Final = 5.0


class Copy(Entry):
    """A copy whose PubAck is expected; nothing else is."""

    __slots__ = ("meters",)

    def __init__(self, stream: str, sink: Shadows, meters: Meters) -> None:
        super().__init__(stream, sink)
        self.meters = meters
        self.wants_ack = True


class Shadows:
    """Sends copies and counts their PubAcks. It is the sink of their entries."""

    def __init__(self, outlet: Outlet, pending: Pending) -> None:
        self._outlet = outlet
        self._pending = pending
        self._timing = timing_fields(SHADOW_TTL_S)
        self._now = asyncio.get_running_loop().time

    def send(self, call: Call) -> None:
        """Copy a queued request to its mirror; at most once."""
        mirror, call.mirror = call.mirror, None
        if mirror is None:
            return
        target = mirror.target
        if is_v2(call.path) and not target.speaks_v2:
            target.meters.count_mirrored("unfit")
            return
        copy = Copy(target.stream, self, target.meters)
        reply = f"{target.reply_prefix}{self._pending.number(copy)}"
        request_id = new_request_id()
        fields = (
            f"{wire.REQUEST_ID}: {request_id}\r\n{wire.MSG_ID}: {request_id}\r\n"
            f"{wire.SHADOW_OF}: {call.request_id}\r\n{self._timing}"
            f"{request_fields(call.exchange, call.path, target)}"
        )
        try:
            self._outlet.post(target.lane_shadow, call.exchange.body, reply, fields)
        except BusError:
            target.meters.count_mirrored("refused")
            return
        call.mirrored_to = target.deployment
        self._pending.add(copy, self._now() + PUBACK_S)

    def acknowledged(self, entry: Entry) -> None:
        """Count a copy that is queued."""
        self._pending.remove(entry)
        self._count(entry, None)

    def answered(self, entry: Entry, body: bytes, headers: Mapping[str, str]) -> None:
        """Drop an answer that should have gone elsewhere."""

    def failed(self, entry: Entry, error: MeshError) -> None:
        """Count a copy that is not queued, or nobody knows."""
        self._count(entry, error)

    def _count(self, entry: Entry, error: MeshError | None) -> None:
        if isinstance(entry, Copy):
            entry.meters.count_mirrored(_outcome(error))


def _outcome(error: MeshError | None) -> MirrorOutcome:
    if error is None:
        return "copied"
    return "unconfirmed" if isinstance(error, DeadlineExceededError) else "refused"
