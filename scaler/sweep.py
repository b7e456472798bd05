"""Queued requests whose time has passed while no instance looks at their queue: they are ended.

A worker does that with those it finds; without one, nobody would be told. Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from mesh import jobs, kept, subjects, wire
from mesh.bus import Bus
from mesh.clock import parse_broker_time
from mesh.errors import BusError, DeadlineExceededError
from mesh.names import is_request_id
from mesh.streams import KeptMessage, delete_message, next_message, stream_info
from mesh.subjects import KEPT_LANES, Lane
from scaler.depth import Depths
from scaler.keeper import Parts
from scaler.requeue import left_s
from scaler.states import Address

log = logging.getLogger("scaler.sweep")

PERIOD_S: Final = 5.0
LOOK_AHEAD: Final = 16  # of each lane, how many that still have time are passed over


class Sweep:
    """Looks at the queues of deployments that have requests and no ready instance."""

    def __init__(self, parts: Parts, depths: Depths) -> None:
        self._parts = parts
        self._depths = depths
        self._clock = asyncio.get_running_loop().time

    def __repr__(self) -> str:
        return f"<Sweep over {self._depths!r}>"

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(PERIOD_S)
            for stored in self._parts.registry.deployments():
                spec = stored.record.spec
                await self._look_at((spec.endpoint_name, spec.name))

    async def _look_at(self, address: Address) -> None:
        lanes = self._depths.lanes(*address)
        if not self._parts.leads() or not any(lanes.get(lane) for lane in KEPT_LANES):
            return
        if self._parts.observer.fleet.ready(*address, self._clock()):
            return
        try:
            await sweep(self._parts.bus, *address)
        except BusError as exc:
            log.info("sweep.missed %s/%s %s", *address, exc)


async def sweep(bus: Bus, endpoint: str, deployment: str) -> int:
    """End the requests at the head of a queue whose time has passed; return how many there were.

    Raises:
        BusError: the broker is away.
    """
    info = await stream_info(bus, subjects.work_stream(endpoint, deployment))
    if info is None:
        return 0
    now_s = parse_broker_time(info["ts"]) - jobs.GRACE_S
    ended = 0
    for lane in KEPT_LANES:
        ended += await _sweep_lane(bus, (endpoint, deployment), lane, now_s)
    if ended:
        log.info("sweep.expired endpoint=%s deployment=%s requests=%d", endpoint, deployment, ended)
    return ended


async def _sweep_lane(bus: Bus, address: Address, lane: Lane, now_s: float) -> int:
    stream, subject = subjects.work_stream(*address), subjects.work(*address, lane)
    seq, passed, ended = 0, 0, 0
    while passed < LOOK_AHEAD:
        message = await next_message(bus, stream, subject, seq + 1)
        if message is None:
            break
        seq = message.seq
        if left_s(message, now_s) <= 0 and await _end(bus, address, message):
            ended += 1
        else:
            passed += 1
    return ended


async def _end(bus: Bus, address: Address, message: KeptMessage) -> bool:
    """End a request as expired; False if it has been begun, has ended or has no id."""
    endpoint, request_id = address[0], message.headers.get(wire.REQUEST_ID, "")
    if not is_request_id(request_id):
        return False
    status = await jobs.status(bus, endpoint, request_id)
    if status is not None and (status.state != "expired" or status.result is not None):
        return False
    await kept.keep_request(bus, endpoint, request_id, message.body, message.headers)
    result, webhook = jobs.failure(DeadlineExceededError()), message.headers.get(wire.WEBHOOK, "")
    await jobs.finish(bus, endpoint, request_id, result, webhook)
    await delete_message(bus, subjects.work_stream(*address), message.seq)
    return True
