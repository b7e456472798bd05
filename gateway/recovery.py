"""After a lost connection: what was out is repeated, waited for, or given up honestly.

A message without a PubAck is published again under the same id. One with a PubAck is looked up: if
it is still in its stream it will be answered; if not, its answer went to a connection that was not
there, and nobody can say what it was. Ring: service.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from gateway.call import Call
from gateway.pending import Pending
from mesh import streams
from mesh.bus import Bus, Outlet
from mesh.errors import AnswerUnknownError, BusError

log = logging.getLogger("gateway.recovery")

LOOKUPS: Final = 32
SETTLE_S: Final = 1.0


class Recovery:
    """Looks after pending requests whenever the connection is back."""

    def __init__(self, bus: Bus, outlet: Outlet, pending: Pending) -> None:
        self._bus = bus
        self._outlet = outlet
        self._pending = pending
        self._lookups = asyncio.Semaphore(LOOKUPS)
        self._now = asyncio.get_running_loop().time

    async def after_reconnect(self) -> None:
        """Repeat what may be lost, look up what was queued."""
        out = [entry for entry in self._pending.entries.values() if isinstance(entry, Call)]
        if not out:
            return
        queued = [call for call in out if call.ack is not None]
        unconfirmed = [call for call in out if call.ack is None]
        log.info("recovery.start queued=%d unconfirmed=%d", len(queued), len(unconfirmed))
        for call in unconfirmed:
            self._repeat(call)
        await asyncio.gather(*map(self._look_up, queued))
        if unconfirmed:  # one may turn out to have been queued, and answered, before
            await asyncio.sleep(SETTLE_S)
            await asyncio.gather(*(self._look_up(call) for call in unconfirmed if call.ack))

    def _repeat(self, call: Call) -> None:
        message = call.again(call.due_s - self._now())
        if message is None:
            return
        try:
            self._outlet.post(*message)
        except BusError as error:
            log.info("recovery.away_again %s", error)

    async def _look_up(self, call: Call) -> None:
        async with self._lookups:
            if call.number not in self._pending.entries:
                return
            try:
                is_there = await streams.has_message(self._bus, call.stream, call.seq)
            except BusError as error:
                log.warning("recovery.lookup_failed %s", error)
                return
        if not is_there:
            await self._bus.flush()  # an answer sent before the message went is in by now
            self._pending.fail(call, AnswerUnknownError())
