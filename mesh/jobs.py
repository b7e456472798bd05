"""Queued requests as the broker keeps them: that one was accepted, and its result.

A result is written once, whoever comes first; both are gone a day later. Ring: adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from mesh import subjects, wire
from mesh.bus import ApiError, Bus, Message
from mesh.clock import parse_broker_time
from mesh.errors import MeshError, error_body
from mesh.records import JobRecord
from mesh.statuses import status_of
from mesh.streams import WRONG_LAST_SEQUENCE, last_message, store

JSON: Final = "application/json"
FIRST: Final = "0"
# A broker that starts says that nobody keeps a subject; if others listen there it says nothing.
HEARD_S: Final = 1.0
BROKERS: Final = "Nats-"  # what names of headers start with that the broker has added


class Job(NamedTuple):
    """A job's record, its number in the stream, and when the broker wrote it (Unix time)."""

    record: JobRecord
    seq: int
    at_s: float


async def _store_if(bus: Bus, subject: str, body: bytes, headers: dict[str, str]) -> bool:
    """Publish what names the sequence it expects; False if another one is there."""
    try:
        await store(bus, subject, body, headers, HEARD_S)
    except ApiError as exc:
        if exc.err_code in WRONG_LAST_SEQUENCE:
            return False
        raise
    return True


async def note(
    bus: Bus, endpoint: str, request_id: str, record: JobRecord, after_seq: int = 0
) -> bool:
    """Write a job's record in place of number `after_seq`; False if another one is there.

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
    return Job(record, int(headers["Nats-Sequence"]), parse_broker_time(headers[wire.TIME_STAMP]))


async def keep_result(
    bus: Bus, endpoint: str, request_id: str, body: bytes, headers: dict[str, str]
) -> bool:
    """Write a request's result; False if it has one already.

    Raises:
        BusError: it could not be written, or nobody knows.
    """
    subject = subjects.result(endpoint, request_id)
    said = headers | {wire.REQUEST_ID: request_id, wire.EXPECTED_SEQ: FIRST}
    return await _store_if(bus, subject, body, said)


async def find_result(bus: Bus, endpoint: str, request_id: str) -> Message | None:
    """Return a request's result, None if there is none (yet, or any more).

    Raises:
        BusError: the broker cannot say.
    """
    subject = subjects.result(endpoint, request_id)
    return await last_message(bus, subjects.RESULTS_STREAM, subject)


def own_headers(result: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a result without those that the broker has added."""
    return {name: text for name, text in result.items() if not name.startswith(BROKERS)}


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
        wire.CONTENT_TYPE: JSON,
    }
    return error_body(error.code, error.message), headers
