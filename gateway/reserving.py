"""Taking an idempotency key, or finding out whose it is and what became of that one's request.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from gateway.idempotency import Verdict, judge
from mesh import jobs, reservations, subjects
from mesh.bus import Bus, Message
from mesh.clock import BrokerClock
from mesh.ear import Ear
from mesh.errors import ConflictError, DeadlineExceededError
from mesh.jobs import JobStatus
from mesh.records import JobState, ReservationRecord
from mesh.reservations import NEVER, Reservation


class Held(NamedTuple):
    """The key is ours at a revision; `record` is what stands there, maybe with another's id."""

    record: ReservationRecord
    seq: int


class Taken(NamedTuple):
    """The key is another request's.

    `until_s` is when its time is over, on our monotonic clock; `result` is there if it has ended.
    """

    verdict: Verdict
    record: ReservationRecord
    until_s: float
    deployment: str
    result: Message | None
    state: JobState = "queued"


class Reservations:
    """The keys, as a gateway takes and frees them.

    `outcomes` counts what became of requests that had one.
    """

    def __init__(self, bus: Bus, clock: BrokerClock) -> None:
        self.outcomes = {"first": 0, "taken_over": 0, "replayed": 0, "conflict": 0, "freed": 0}
        self.bus = bus
        self.clock = clock
        self._now = asyncio.get_running_loop().time

    def __repr__(self) -> str:
        return f"<Reservations {self.outcomes}>"

    async def take(
        self, endpoint: str, subject: str, wanted: ReservationRecord, ear: Ear | None = None
    ) -> Held | Taken | None:
        """Take the key if it is free, or the one who has it is out of time.

        Args:
            endpoint: whose key it is.
            subject: what it is kept under.
            wanted: what to write there.
            ear: hears from now on when any of what is returned changes.

        Returns:
            None if it changed while it was looked at.

        Raises:
            BusError: the broker cannot say, or nobody knows what was written.
        """
        held = await self._write(subject, wanted, NEVER)
        if held is not None:
            return held
        if ear is not None:
            await ear.listen(subject)
        standing = await reservations.find(self.bus, subject)
        if standing is None:
            return None
        if standing.record is None:
            return await self._write(subject, wanted, standing.seq)
        if ear is not None:
            await ear.listen(awaited(endpoint, standing.record))
        taken = await self._look(endpoint, standing, standing.record, wanted)
        if taken.verdict == "anew":
            return await self._write(subject, wanted, standing.seq)
        if taken.verdict == "again":
            first = standing.record
            wanted = msgspec.structs.replace(
                wanted, request_id=first.request_id, deployment=first.deployment
            )
            return await self._write(subject, wanted, standing.seq)
        return taken

    async def rewrite(self, subject: str, record: ReservationRecord, seq: int) -> int:
        """Write what is known only now of a key that is held; return the new revision.

        Raises:
            ConflictError: it is held no longer.
            BusError: it could not be written, or nobody knows.
        """
        return await reservations.take(self.bus, subject, record, seq)

    async def free(self, subject: str, seq: int) -> None:
        """Let others take a key that is held at this revision.

        Raises:
            ConflictError: it is held no longer.
            BusError: it could not be freed, or nobody knows.
        """
        await reservations.free(self.bus, subject, seq)

    async def _write(self, subject: str, record: ReservationRecord, after_seq: int) -> Held | None:
        try:
            return Held(record, await reservations.take(self.bus, subject, record, after_seq))
        except ConflictError:
            return None

    async def _look(
        self,
        endpoint: str,
        standing: Reservation,
        record: ReservationRecord,
        wanted: ReservationRecord,
    ) -> Taken:
        job = None
        if record.queued:
            job = await jobs.status(self.bus, endpoint, record.request_id)
            result = job.result if job is not None else None
        else:
            result = await jobs.find_result(self.bus, endpoint, record.request_id)
        now_s = self._now()
        until_s = self.clock.local_s(standing.stamped_ns, now_s) + record.timeout_s
        verdict = judge(
            record,
            wanted,
            ending(result, job),
            is_queued=job is not None,
            is_over=until_s <= now_s,
        )
        deployment = job.deployment if job is not None else record.deployment
        state: JobState = "delayed" if job is not None and job.state == "delayed" else "queued"
        return Taken(verdict, record, until_s, deployment, result, state)


def ending(result: Message | None, job: JobStatus | None) -> Mapping[str, str] | None:
    """Return the headers of a result, what they would be if nobody ran it in time; None without."""
    if result is not None:
        return result.headers or {}
    if job is not None and job.has_ended:
        return jobs.failure(DeadlineExceededError())[1]
    return None


def awaited(endpoint: str, record: ReservationRecord) -> str:
    """Return the subject on which it is told that those who wait for a request need no longer."""
    name = subjects.job if record.queued else subjects.result
    return name(endpoint, record.request_id)
