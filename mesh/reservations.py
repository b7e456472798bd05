"""Idempotency keys as the broker keeps them: whose request each one stands for.

Every write names the revision it expects, so that of several gateways one succeeds. A key is gone
when the result of its request is. Ring: adapter.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from mesh import subjects, wire
from mesh.bus import ApiError, Bus
from mesh.clock import NS, parse_broker_time
from mesh.errors import CapacityError, ConflictError
from mesh.jobs import HEARD_S
from mesh.records import ReservationRecord
from mesh.streams import WRONG_LAST_SEQUENCE, is_full, last_message, store

STREAM: Final = f"KV_{subjects.IDEMPOTENCY_BUCKET}"
OPERATION: Final = "KV-Operation"
NEVER: Final = 0


class Reservation(NamedTuple):
    """What stands under a key at a revision; `record` is None if it was freed.

    `stamped_ns` is when the broker wrote it.
    """

    record: ReservationRecord | None
    seq: int
    stamped_ns: int


async def find(bus: Bus, subject: str) -> Reservation | None:
    """Return what stands under a key, None if it was never taken, or too long ago.

    Raises:
        BusError: the broker cannot say.
    """
    message = await last_message(bus, STREAM, subject)
    if message is None:
        return None
    headers = message.headers or {}
    is_free = OPERATION in headers
    return Reservation(
        None if is_free else msgspec.json.decode(message.data, type=ReservationRecord),
        int(headers[wire.SEQUENCE]),
        round(parse_broker_time(headers[wire.TIME_STAMP]) * NS),
    )


async def take(bus: Bus, subject: str, record: ReservationRecord, after_seq: int = NEVER) -> int:
    """Write a record in place of revision `after_seq`; return the new revision.

    Raises:
        ConflictError: something else stands there.
        CapacityError: there is no room.
        BusError: it could not be written, or nobody knows.
    """
    return await _write(bus, subject, msgspec.json.encode(record), after_seq, {})


async def free(bus: Bus, subject: str, seq: int) -> None:
    """Let others take a key, if what stands there is revision `seq`.

    Raises:
        ConflictError: something else stands there.
        BusError: it could not be written, or nobody knows.
    """
    await _write(bus, subject, b"", seq, {OPERATION: "DEL"})


async def _write(
    bus: Bus, subject: str, body: bytes, after_seq: int, headers: dict[str, str]
) -> int:
    expected = {wire.EXPECTED_SEQ: str(after_seq)}
    try:
        ack = await store(bus, subject, body, headers | expected, HEARD_S)
    except ApiError as exc:
        if exc.err_code in WRONG_LAST_SEQUENCE:
            raise ConflictError("the key was taken meanwhile") from exc
        if is_full(exc.err_code, exc.message):
            raise CapacityError("there is no room for more idempotency keys") from exc
        raise
    return int(ack["seq"])
