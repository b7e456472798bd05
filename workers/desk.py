"""The instance's desk: which requests wait, which run, and which must run apart from the others.

Most suspects are only neighbours of the one that brought a runner down, so a few are tried together
and the time of many is not added up; the last try, on which a request is given up, is made alone.
Every change of state is a sync method without I/O that returns what to do; `workers.consume`
does it. Ring: decisions.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from mesh.subjects import LANES, Lane
from workers.early import Early
from workers.policy import SHARE_EVERY, Load
from workers.work import Work

SHARE_FIRST: Final[tuple[Lane, ...]] = ("queued", "interactive", "background", "shadow")


class Desk:
    """Requests in hand. Suspects run when all else is done, in groups of the slots' square root."""

    def __init__(self, slots: int) -> None:
        self._waiting: dict[Lane, deque[Work]] = {lane: deque() for lane in LANES}
        self._by_id: dict[str, Work] = {}
        self.running: dict[int, Work] = {}
        self.suspects: deque[Work] = deque()
        self._tried: dict[int, Work] = {}  # suspects that run
        self._freed_s: deque[float] = deque()  # when slots that are free became so
        self.early = Early()
        self.load = Load(slots=slots)

    def __repr__(self) -> str:
        return (
            f"<Desk running={len(self.running)} waiting={self.load.waiting} "
            f"suspects={len(self.suspects)}>"
        )

    def __len__(self) -> int:
        return len(self.running) + self.load.waiting

    @property
    def held(self) -> Iterator[Work]:
        """Everything in hand, in no order that matters."""
        return chain(self.running.values(), self.suspects, *self._waiting.values())

    def accept(self, work: Work, now_s: float) -> None:
        """Take in a delivered request."""
        if work.lane == "interactive":
            self.load.interactive_at_s = now_s
        if work.request_id:
            self._by_id[work.request_id] = work
        if work.is_suspect:
            self.suspects.append(work)
        else:
            self._waiting[work.lane].append(work)
        self._count(work, 1)

    def start_next(self, now_s: float) -> Work | None:
        """Take the next request to run now, None if none may; interactive ones first.

        A queued one whose share is due goes before them. While a suspect waits nothing else starts,
        so that its turn comes.
        """
        if self.suspects or self._tried or self.load.busy >= self.load.slots:
            return None
        for lane in SHARE_FIRST if self.load.is_share_due else LANES:
            if queue := self._waiting[lane]:
                work = queue.popleft()
                self._start(work, now_s)
                return work
        return None

    def start_suspect(self, now_s: float) -> Work | None:
        """Take the next suspect to run, None if there is none, or it has to wait for others."""
        tried = self._tried
        if not self.suspects or len(self.running) > len(tried):
            return None
        suspect = self.suspects[0]
        if tried and (
            suspect.is_last_try
            or len(tried) >= math.isqrt(self.load.slots)
            or any(work.is_last_try for work in tried.values())
        ):
            return None
        self.suspects.popleft()
        tried[suspect.number] = suspect
        self._start(suspect, now_s)
        return suspect

    def _start(self, work: Work, now_s: float) -> None:
        work.started_s = now_s
        work.freed_s = self._freed_s.popleft() if self._freed_s else now_s
        self.running[work.number] = work
        load = self.load
        self._count(work, -1)
        load.busy += 1
        if work.lane == "interactive":
            load.since_share = min(load.since_share + 1, SHARE_EVERY)
        elif work.lane == "queued":
            load.since_share = 0

    def _count(self, work: Work, change: int) -> None:
        self.load.waiting += change
        if work.lane == "queued":
            self.load.queued += change

    def finish(self, number: int, now_s: float) -> Work | None:
        """Let go of a request that ran; None if it is not (or no longer) running."""
        work = self.running.pop(number, None)
        if work is None:
            return None
        self._tried.pop(number, None)
        self._by_id.pop(work.request_id, None)
        load = self.load
        if load.busy >= load.slots:
            load.spare_since_s = now_s
        load.busy -= 1
        self._freed_s.append(now_s)
        return work

    def put_back(self, number: int, now_s: float) -> Work | None:
        """Return a request that a runner never began to the head of its queue."""
        work = self.finish(number, now_s)
        if work is not None:
            self._by_id[work.request_id] = work
            (self.suspects if work.is_suspect else self._waiting[work.lane]).appendleft(work)
            self._count(work, 1)
        return work

    def find(self, request_id: str) -> Work | None:
        """The request of that id, if it is in hand."""
        return self._by_id.get(request_id)

    def drop(self, works: Iterable[Work]) -> None:
        """Let go of requests that wait; those that run are left alone."""
        for work in works:
            queue = self.suspects if work.is_suspect else self._waiting[work.lane]
            if work in queue:
                queue.remove(work)
                self._by_id.pop(work.request_id, None)
                self._count(work, -1)

    def expired(self, now_s: float) -> list[Work]:
        """Requests that wait past their deadline."""
        waiting = chain(self.suspects, *self._waiting.values())
        return [work for work in waiting if work.deadline_s <= now_s]

    def all_waiting(self) -> list[Work]:
        """Everything that waits."""
        return list(chain(self.suspects, *self._waiting.values()))
