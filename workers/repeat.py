"""Queued requests whose model answers with an error, tried again as their deployment says.

The count is recorded before the message is given back, so that it ends also where workers are lost.
Ring: service.
"""

from __future__ import annotations

import asyncio
import logging

from mesh import wire
from mesh.errors import BusError
from mesh.settle import settle_error
from mesh.spec.options import RetryOptions
from workers.answer import Reply
from workers.attempts import Attempts, Tried
from workers.ending import Endings
from workers.outbox import Outbox
from workers.work import Work

log = logging.getLogger("workers.repeat")


class Repeats:
    """Gives back what is to be tried again; all else has its error as its result."""

    def __init__(
        self, options: RetryOptions, attempts: Attempts, endings: Endings, outbox: Outbox
    ) -> None:
        self._options = options
        self._attempts = attempts
        self._end = endings
        self._outbox = outbox
        self._loop = asyncio.get_running_loop()

    def answer(self, work: Work, reply: Reply) -> None:
        """End a request that has run, or have it tried again later."""
        delay_s = None
        if reply.code and work.is_kept and work.lane != "interactive":
            left_s = work.deadline_s - self._loop.time()
            delay_s = settle_error(self._options, work.errors + 1, reply.status, left_s)
        if delay_s is None:
            self._end.answer(work, reply)
        else:
            self._end.spawn(self._try_later(work, reply, delay_s))

    async def _try_later(self, work: Work, reply: Reply, delay_s: float) -> None:
        tried = Tried(work.attempt - 1, work.errors + 1)
        try:
            await self._attempts.write(work.seq, tried)
        except BusError as exc:
            log.warning("repeat.unrecorded request=%s %s", work.request_id, exc)
            self._end.answer(work, reply)
            return
        log.info(
            "repeat.later request=%s errors=%d delay_s=%g", work.request_id, tried.errors, delay_s
        )
        self._outbox.send(work.ack, wire.again_in(delay_s), keep_until_s=work.deadline_s)
