"""What is written down about a finished request: its metrics and its access record.

Ring: service.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.call import Call, client_id
from gateway.traffic import TrafficLog
from mesh import wire
from mesh.errors import BusError, CapacityError, DeadlineExceededError, MeshError
from mesh.traffic import AccessRecord
from mesh.v2 import PATH_CHARS

CLIENT_GONE: Final = 499
TURNED_AWAY: Final = (429, 503)  # at the door: how long that takes says nothing of the model
USER_AGENT_CHARS: Final = 200


class Answered(NamedTuple):
    """What an answer said about how it came to be; all zero if there was none."""

    model_status: int = 0
    response_bytes: int = 0
    queued_ms: float = 0.0
    run_ms: float = 0.0
    instance: str = ""


UNANSWERED: Final = Answered()


def describe(model_status: int, body: bytes, headers: Mapping[str, str]) -> Answered:
    """Read the account a worker gives of an answer."""
    try:
        queued, run, _ = headers.get(wire.TIMING, "").split(",", 2)
        timing = float(queued), float(run)
    except ValueError:
        timing = 0.0, 0.0
    return Answered(model_status, len(body), *timing, headers.get(wire.INSTANCE, ""))


class Ledger:
    """Closes the books on each request, once."""

    def __init__(self, traffic: TrafficLog | None) -> None:
        """Keep no access records if `traffic` is None."""
        self._traffic = traffic

    def close(self, call: Call, now_s: float, status: int, answered: Answered = UNANSWERED) -> None:
        """Write down how a request ended; `status` is what its client got."""
        total_s = now_s - call.exchange.started_s
        meters = call.meters
        meters.count_status(status)
        meters.total.observe(total_s)
        if answered.model_status:
            meters.queued.observe(answered.queued_ms / 1000)
            meters.run.observe(answered.run_ms / 1000)
        elif status in TURNED_AWAY:
            meters.turned_away.observe(total_s)
        if self._traffic is not None:
            record = _record(call, total_s, status, answered)
            self._traffic.add(call.exchange.route.endpoint, record)

    def count_failure(self, call: Call, error: MeshError) -> None:
        """Count what the deployment was offered and did not serve: each request in one way."""
        meters = call.meters
        if isinstance(error, DeadlineExceededError):
            meters.timed_out += 1
            meters.accepted -= call.is_out
        elif isinstance(error, CapacityError | BusError):
            meters.refused += 1
            meters.accepted -= call.is_out
            meters.refusals[error.code] = meters.refusals.get(error.code, 0) + 1


def _record(call: Call, total_s: float, status: int, answered: Answered) -> AccessRecord:
    exchange = call.exchange
    headers = exchange.headers
    return AccessRecord(
        at_s=time.time() - total_s,
        request_id=call.request_id,
        deployment=call.deployment,
        method=exchange.method.decode(),
        path=call.path[:PATH_CHARS],
        status=status,
        model_status=answered.model_status,
        request_bytes=exchange.size_bytes,
        response_bytes=answered.response_bytes,
        total_ms=total_s * 1000,
        queued_ms=answered.queued_ms,
        run_ms=answered.run_ms,
        instance=answered.instance,
        client_request_id=client_id(headers),
        user_agent=headers.get(b"user-agent", b"")[:USER_AGENT_CHARS].decode("latin-1"),
        mirrored_to=call.mirrored_to,
    )
