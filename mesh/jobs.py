"""Queued requests as the broker keeps them: where each was sent, who runs it, and its result.

A result is written once, whoever comes first: that decides how a request ended. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from mesh import subjects, wire
from mesh.bus import ApiError, Bus, Message
from mesh.clock import parse_broker_time
from mesh.errors import (
    CancelledRequestError,
    DeadlineExceededError,
    MeshError,
    NotFoundError,
    error_body,
)
from mesh.names import REQUEST_ID_RULE, is_request_id
from mesh.records import JobRecord, JobRun, JobState
from mesh.statuses import status_of
from mesh.streams import WRONG_LAST_SEQUENCE, last_message, store
from mesh.subjects import Lane

FIRST: Final = "0"
# A broker that starts says that nobody keeps a subject; if others listen there it says nothing.
HEARD_S: Final = 1.0
BROKERS: Final = "Nats-"  # what names of headers start with that the broker reads or adds
# After its time limit a request may still run for as long as its deployment lets it.
RUNNING_S: Final = 330.0
GRACE_S: Final = 2.0  # hosts' clocks differ
ENDED: Final[dict[str, JobState]] = {
    CancelledRequestError.code: "cancelled",
    DeadlineExceededError.code: "expired",
}


class Job(NamedTuple):
    """A job's record, its number in the stream, and when the broker wrote it (Unix time)."""

    record: JobRecord
    seq: int
    at_s: float


class Begun(NamedTuple):
    """Who has begun a queued request, and when (Unix time)."""

    run: JobRun
    at_s: float


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a queued request. Times are Unix seconds, 0 if not known.

    `seq` is its number in the deployment's queue, `ingress_seq` that in the stream of enqueued
    requests, 0 if not known; `attempt` is 0 until it is begun; `result` is there once it has ended,
    but for one that nobody ran in time.
    """

    request_id: str
    state: JobState
    deployment: str = ""
    lane: Lane = "queued"
    seq: int = 0
    attempt: int = 0
    instance: str = ""
    submitted_at_s: float = 0.0
    expires_at_s: float = 0.0
    begun_at_s: float = 0.0
    webhook: str = ""
    result: Message | None = None
    ingress_seq: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will become of it."""
        return self.state not in ("delayed", "queued", "running")


async def _store_if(bus: Bus, subject: str, body: bytes, headers: dict[str, str]) -> int:
    """Publish what names the sequence it expects; return its own, 0 if another one is there."""
    try:
        ack = await store(bus, subject, body, headers, HEARD_S)
    except ApiError as exc:
        if exc.err_code in WRONG_LAST_SEQUENCE:
            return 0
        raise
    return int(ack["seq"])


async def note(
    bus: Bus, endpoint: str, request_id: str, record: JobRecord, after_seq: int = 0
) -> int:
    """Write a job's record in place of number `after_seq`; return its own, 0 if another is there.

    Raises:
        BusError: it could not be written, or nobody knows.
    """
    subject, body = subjects.job(endpoint, request_id), msgspec.json.encode(record)
    return await _store_if(bus, subject, body, {wire.EXPECTED_SEQ: str(after_seq)})


async def find(bus: Bus, endpoint: str, request_id: str) -> Job | None:
    """Return what is noted of a queued request, None if it is not known.

    Raises:
        BusError: the broker cannot say.
    """
    subject = subjects.job(endpoint, request_id)
    message = await last_message(bus, subjects.JOBS_STREAM, subject)
    if message is None:
        return None
    headers = message.headers or {}
    record = msgspec.json.decode(message.data, type=JobRecord)
    return Job(record, int(headers[wire.SEQUENCE]), parse_broker_time(headers[wire.TIME_STAMP]))


async def find_run(bus: Bus, endpoint: str, request_id: str) -> Begun | None:
    """Return who has begun a queued request, None if nobody has.

    Raises:
        BusError: the broker cannot say.
    """
    subject = subjects.job_run(endpoint, request_id)
    message = await last_message(bus, subjects.JOBS_STREAM, subject)
    if message is None:
        return None
    run = msgspec.json.decode(message.data, type=JobRun)
    return Begun(run, parse_broker_time((message.headers or {})[wire.TIME_STAMP]))


async def status(bus: Bus, endpoint: str, request_id: str) -> JobStatus | None:
    """Return what has become of a queued request, None if it is not known (any more).

    Raises:
        BusError: the broker cannot say.
    """
    # In this order: whatever ends meanwhile is seen to have ended.
    job, begun = await asyncio.gather(
        find(bus, endpoint, request_id), find_run(bus, endpoint, request_id)
    )
    result = await find_result(bus, endpoint, request_id)
    return judge(request_id, job, begun, result, time.time())


async def known(bus: Bus, endpoint: str, request_id: str) -> JobStatus:
    """Return what has become of a queued request.

    Raises:
        NotFoundError: nothing is known of it (any more).
        BusError: the broker cannot say.
    """
    if not is_request_id(request_id):
        raise NotFoundError(f"a request's id has {REQUEST_ID_RULE}")
    found = await status(bus, endpoint, request_id)
    if found is None:
        raise NotFoundError(f"no request {request_id!r}, or it is not known any more")
    return found


def judge(
    request_id: str, job: Job | None, begun: Begun | None, result: Message | None, now_s: float
) -> JobStatus | None:
    """Return what the records of a request say together; None if there are none."""
    if job is None and begun is None and result is None:
        return None
    known: dict[str, Any] = {"request_id": request_id, "state": "queued"}
    if job is not None:
        record = job.record
        known |= {"deployment": record.deployment, "lane": record.lane, "seq": record.seq}
        at_s = record.submitted_at_s or job.at_s
        known |= {"submitted_at_s": at_s, "expires_at_s": at_s + record.timeout_s}
        known |= {"webhook": record.webhook, "ingress_seq": record.ingress_seq}
        if now_s < record.due_at_s:
            known["state"] = "delayed"
        if begun is None and now_s > known["expires_at_s"] + GRACE_S:
            known["state"] = "expired"
    if begun is not None:
        run = begun.run
        is_over = now_s > begun.at_s + RUNNING_S and now_s > known.get("expires_at_s", 0.0)
        known |= {"state": "expired" if is_over else "running", "begun_at_s": begun.at_s}
        known |= {"deployment": run.deployment, "lane": run.lane, "seq": run.seq}
        known |= {"attempt": run.attempt, "instance": run.instance}
    if result is not None:
        known |= {"state": state_of(result.headers or {}), "result": result}
    return JobStatus(**known)


def state_of(headers: Mapping[str, str]) -> JobState:
    """Return the state that a result's headers stand for."""
    code = headers.get(wire.ERROR, "")
    return ENDED.get(code, "failed") if code else "done"


async def finish(
    bus: Bus,
    endpoint: str,
    request_id: str,
    result: tuple[bytes, dict[str, str]],
    webhook: str = "",
) -> bool:
    """Write a request's result, and have its webhook called; False if it has a result already.

    Args:
        bus: the connection.
        endpoint: whose request it is.
        request_id: its id.
        result: body and headers.
        webhook: the URL to call, empty if there is none.

    Raises:
        BusError: it could not be written, or nobody knows.
    """
    is_first = await keep_result(bus, endpoint, request_id, *result)
    if webhook:  # even if another one was first: it may have ended before it came to this
        subject = subjects.webhook(endpoint, request_id)
        await store(bus, subject, webhook.encode(), {wire.MSG_ID: subject})
    return is_first


async def keep_result(
    bus: Bus, endpoint: str, request_id: str, body: bytes, headers: dict[str, str]
) -> bool:
    """Write a request's result; False if it has one already.

    Raises:
        BusError: it could not be written, or nobody knows.
    """
    subject = subjects.result(endpoint, request_id)
    said = headers | {wire.REQUEST_ID: request_id, wire.EXPECTED_SEQ: FIRST}
    return await _store_if(bus, subject, body, said) > 0


async def find_result(bus: Bus, endpoint: str, request_id: str) -> Message | None:
    """Return a request's result, None if there is none (yet, or any more).

    Raises:
        BusError: the broker cannot say.
    """
    subject = subjects.result(endpoint, request_id)
    return await last_message(bus, subjects.RESULTS_STREAM, subject)


def own_headers(kept: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of what is kept without those that are between us and the broker."""
    return {name: text for name, text in kept.items() if not name.startswith(BROKERS)}


def answer_headers(result: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of the answer that a result was kept of: its status is the model's own."""
    said = own_headers(result)
    if wire.MODEL_STATUS in said:
        said[wire.STATUS] = said.pop(wire.MODEL_STATUS)
    return said


def failure(error: MeshError) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the result of a request that the mesh had to fail."""
    headers = {
        wire.STATUS: str(status_of(error.code)),
        wire.ERROR: error.code,
        wire.CONTENT_TYPE: wire.JSON,
    }
    return error_body(error.code, error.message), headers
