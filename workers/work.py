"""One request as a worker holds it, decoded from a message of the work queue.

Ring: values and decisions; the broker's client is not known here.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mesh import subjects, wire
from mesh.clock import BrokerClock
from mesh.names import is_request_id
from mesh.subjects import KEPT_LANES, Lane, WorkerAddress
from mesh.topology import QUEUED_TIMEOUT_S
from workers.direct import fault
from workers.exchange import DEFAULT_PATH, RunRequest
from workers.pull import Delivery

SHADOW_LANE: Lane = "shadow"
TIMEOUT_DIGITS: Final = 12  # a longer number may be one that cannot be read
RUN_MARGIN: Final = 1.25  # run() takes its time, and the way back too


class Work(msgspec.Struct, kw_only=True, eq=False):
    """A request in hand, from its delivery to its acknowledgement. Times are monotonic seconds.

    `held_s` is when the broker last heard that we hold it; `attempt` counts from 1 and rises only
    when a runner or worker died with it. `is_last_try`: it is given up if that happens again.
    `errors` counts the runs that the model has ended with an error and that were tried again.
    `freed_s` is when the slot that it runs in became free.
    """

    number: int
    ack: str
    lane: Lane
    seq: int
    delivered: int
    request_id: str
    reply: str
    deadline_s: float
    stamped_s: float
    held_s: float
    body: bytes
    headers: dict[str, str]
    attempt: int = 1
    errors: int = 0
    is_last_try: bool = False
    started_s: float = 0.0
    freed_s: float = 0.0
    cancelled: bool = False

    @property
    def is_shadow(self) -> bool:
        """Whether the answer goes to the comparison stream instead of to a caller."""
        return self.lane == SHADOW_LANE

    @property
    def is_kept(self) -> bool:
        """Whether its result is kept for whoever asks for it.

        That of a queued request, and of one that asks for it; not without an id: nobody could ask.
        """
        is_wanted = wire.KEEP in self.headers if self.reply else self.lane in KEPT_LANES
        return is_wanted and is_request_id(self.request_id)

    @property
    def run_number(self) -> int:
        """Which run of it this is, whatever ended those before."""
        return self.attempt + self.errors

    @property
    def is_redelivered(self) -> bool:
        """Whether somebody has held it before, and may have died with it."""
        return self.delivered > 1

    @property
    def is_suspect(self) -> bool:
        """Whether an attempt on record has failed: it may bring down what runs beside it."""
        return self.attempt > 1


class Malformed(msgspec.Struct, frozen=True):
    """A message that cannot be a request; it is dead-lettered, never redelivered."""

    reason: str


def decode(
    delivery: Delivery,
    *,
    number: int,
    address: WorkerAddress,
    default_timeout_s: float,
    clock: BrokerClock,
    now_s: float,
) -> Work | Malformed:
    """Read a delivery as a request of this deployment.

    A message without a timeout (a direct producer's) gets the deployment's own, or where its result
    is kept an hour; one without a reply subject is run and answered to nobody.
    """
    message = delivery.message
    headers = message.headers or {}
    is_kept = delivery.lane in KEPT_LANES
    timeout_s = QUEUED_TIMEOUT_S if is_kept else default_timeout_s
    if wire.STATUS in headers:  # a reply subject chosen so that an answer comes here
        return Malformed("it is an answer")
    if (timeout_ms := headers.get(wire.TIMEOUT_MS)) is not None:
        is_number = timeout_ms.isascii() and timeout_ms.isdigit()
        if not is_number or len(timeout_ms) > TIMEOUT_DIGITS:
            return Malformed(f"{wire.TIMEOUT_MS}: {timeout_ms!r} is not a whole number of ms")
        timeout_s = int(timeout_ms) / 1000
    if is_kept and (wrong := fault(headers)):
        return Malformed(wrong)
    reply = headers.get(wire.REPLY, "")
    if reply and not subjects.is_reply_of(reply, address.endpoint, address.deployment):
        return Malformed(f"{wire.REPLY}: {reply!r} is not a reply subject of this deployment")
    stamped_s = clock.local_s(delivery.stamped_ns, now_s)
    return Work(
        number=number,
        ack=message.reply,
        lane=delivery.lane,
        seq=delivery.seq,
        delivered=delivery.delivered,
        request_id=headers.get(wire.REQUEST_ID, "") or headers.get(wire.MSG_ID, ""),
        reply=reply,
        deadline_s=stamped_s + timeout_s,
        stamped_s=stamped_s,
        held_s=now_s,
        body=message.data,
        headers=headers,
    )


def begin_by_s(work: Work, mean_run_s: float) -> float:
    """Return when it must have begun to end in time, if its run() takes as long as others do.

    In a queue that is too long everything would begin just before its deadline, and be of no use.
    A deadline too short for that in any case is left to try its luck.
    """
    latest_s = work.deadline_s - RUN_MARGIN * mean_run_s
    return latest_s if latest_s > work.stamped_s else work.deadline_s


def run_request(work: Work, body: bytes, latest_s: float, stop_s: float) -> RunRequest:
    """Word a request for a runner.

    Args:
        work: the request.
        body: its body, which may have come apart from it.
        latest_s: when it must have begun.
        stop_s: when it must have ended if its own deadline is about waiting only.
    """
    headers = work.headers
    return RunRequest(
        number=work.number,
        request_id=work.request_id,
        method=headers.get(wire.METHOD, "POST"),
        path=headers.get(wire.PATH, DEFAULT_PATH),
        content_type=headers.get(wire.CONTENT_TYPE, ""),
        headers=headers.get(wire.HTTP, "").encode(),
        body=body,
        deadline_s=min(work.deadline_s, stop_s) if work.is_kept else work.deadline_s,
        begin_by_s=latest_s,
    )


def malformed_work(delivery: Delivery, now_s: float) -> Work:
    """Wrap what cannot be a request so that it can be buried; it has no reply subject.

    The id of what is an answer is that of another request, which does not end with it.
    """
    headers = delivery.message.headers or {}
    is_answer = wire.STATUS in headers
    return Work(
        number=0,
        ack=delivery.message.reply,
        lane=delivery.lane,
        seq=delivery.seq,
        delivered=1,
        request_id="" if is_answer else headers.get(wire.REQUEST_ID, ""),
        reply="",
        deadline_s=now_s,
        stamped_s=now_s,
        held_s=now_s,
        body=delivery.message.data,
        headers=headers,
    )
