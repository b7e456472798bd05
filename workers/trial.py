"""Requests that may bring a runner down: how often each was begun, and whether it is again.

The broker's own count says nothing: it rises with each drain and hand-back, and when a worker was
lost that had only held the request. Ring: service.
"""

from __future__ import annotations

import logging

from mesh.errors import BusError
from mesh.settle import Again, settle_crash
from workers.attempts import Attempts, Tried
from workers.ending import Endings
from workers.work import Work

log = logging.getLogger("workers.trial")


class Trials:
    """Looks after one instance's redelivered requests, and those that its runners died with."""

    def __init__(self, attempts: Attempts, endings: Endings, max_attempts: int) -> None:
        self._attempts = attempts
        self._end = endings
        self._max_attempts = max_attempts

    async def examine(self, work: Work) -> bool:
        """Find out which attempt this is; False if there is none left, or nobody knows."""
        try:
            begun, work.errors = await self._attempts.read(work.seq)
        except BusError as exc:
            self._give_back(work, exc)
            return False
        if begun >= self._max_attempts:
            self._end.bury(work, f"its worker died with it {begun} times", begun)
            return False
        work.attempt = begun + 1
        work.is_last_try = work.attempt >= self._max_attempts
        return True

    async def record(self, work: Work) -> bool:
        """Record that the attempt begins; False if that could not be done."""
        try:
            await self._attempts.write(work.seq, Tried(work.attempt, work.errors))
        except BusError as exc:
            self._give_back(work, exc)
            return False
        return True

    def settle(self, work: Work, reason: str) -> None:
        """Have a request that a runner died with tried again, or give it up."""
        settled = settle_crash(work.attempt, self._max_attempts, reason)
        if isinstance(settled, Again):
            self._end.retry(work)
        else:
            self._end.bury(work, settled.reason, settled.attempts)

    def _give_back(self, work: Work, error: BusError) -> None:
        log.warning("trial.attempt_unrecorded request=%s %s", work.request_id, error)
        self._end.hand_back(work)
