"""The lease that lets one scaler lead: a key that expires unless its holder renews it.

The holder stops to believe in it before the broker lets it expire, so no two ever lead at once.
Ring: adapter. Source: the project's measurements of leases on JetStream key-value buckets.
"""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from mesh import subjects
from mesh.bus import ApiError, Bus
from mesh.errors import BusError
from mesh.streams import MESSAGE_NOT_FOUND

log = logging.getLogger("scaler.lease")

Clock = Callable[[], float]

BELIEF: Final = 0.8


class Lease:
    """A named lease; `ttl_s` is whole seconds, at least the bucket's marker TTL of one."""

    def __init__(
        self,
        bus: Bus,
        key: str,
        owner: str,
        ttl_s: int = 3,
        clock: Clock | None = None,
    ) -> None:
        self._bus = bus
        self._subject = f"$KV.{subjects.LEASES_BUCKET}.{key}"
        self._owner = owner.encode()
        self._ttl_s = ttl_s
        self._revision = 0
        self._valid_until_s = 0.0
        # Not the loop's: that stands still while a callback runs, and while the process is stopped.
        self._clock = clock or time.monotonic

    def __repr__(self) -> str:
        return f"<Lease {self._subject} held={self.is_held}>"

    @property
    def is_held(self) -> bool:
        """Whether we may believe that it is ours."""
        return self._clock() < self._valid_until_s

    @property
    def period_s(self) -> float:
        """How often to renew it."""
        return self._ttl_s / 4

    async def acquire(self) -> bool:
        """Take it if it is free, or ours already because an answer got lost.

        Raises:
            BusError: the broker is away.
        """
        last = await self._last()
        if last is None:
            return await self._put(0)
        head = base64.b64decode(last.get("hdrs", ""))
        is_free = b"Nats-Marker-Reason" in head or b"KV-Operation" in head
        is_ours = base64.b64decode(last.get("data", "")) == self._owner
        return (is_free or is_ours) and await self._put(last["seq"])

    async def renew(self) -> bool:
        """Prolong it; False means that we must stop to lead now."""
        if not self.is_held:
            return False
        try:
            return await self._put(self._revision) or await self.acquire()
        except BusError as exc:
            log.info("lease.unanswered %s", exc)
            return self.is_held

    async def regain(self) -> bool:
        """Take it again after it lapsed, if surely nobody else has held it since.

        Raises:
            BusError: the broker is away.
        """
        last = await self._last()
        # Our own last write, or the marker that the broker put in its place when it expired.
        untouched = last is not None and last["seq"] - self._revision <= 1
        return untouched and await self.acquire()

    async def release(self) -> None:
        """Let the next one have it at once."""
        if not self.is_held:
            return
        self._valid_until_s = 0.0
        headers = {
            "KV-Operation": "DEL",
            "Nats-Expected-Last-Subject-Sequence": str(self._revision),
        }
        await self._bus.request(self._subject, headers=headers)

    async def _last(self) -> dict[str, Any] | None:
        try:
            answer = await self._bus.api(
                f"STREAM.MSG.GET.KV_{subjects.LEASES_BUCKET}", {"last_by_subj": self._subject}
            )
        except ApiError as exc:
            if exc.err_code not in MESSAGE_NOT_FOUND:
                raise
            return None
        last: dict[str, Any] = answer["message"]
        return last

    async def _put(self, expected: int) -> bool:
        began_s = self._clock()  # the broker counts from later than this
        headers = {
            "Nats-TTL": f"{self._ttl_s}s",
            "Nats-Expected-Last-Subject-Sequence": str(expected),
        }
        message = await self._bus.request(
            self._subject, self._owner, headers=headers, timeout_s=self._ttl_s / 3
        )
        answer = json.loads(message.data)
        if "error" in answer:
            return False
        self._revision = answer["seq"]
        self._valid_until_s = began_s + self._ttl_s * BELIEF
        return True
