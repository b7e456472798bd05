"""The traffic log: one access record per request, many to a message, none waited for.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from mesh import subjects, wire
from mesh.errors import BusError
from mesh.traffic import AccessRecord

log = logging.getLogger("gateway.traffic")

BATCH_RECORDS: Final = 500
BATCH_S: Final = 0.25

Post = Callable[[str, bytes], None]


class TrafficLog:
    """Collects access records by endpoint and publishes them in batches."""

    def __init__(self, gateway: str, post: Post) -> None:
        self._gateway = gateway
        self._post = post
        self._records: dict[str, list[AccessRecord]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.lost = 0

    def __repr__(self) -> str:
        return f"<TrafficLog waiting={sum(map(len, self._records.values()))} lost={self.lost}>"

    def add(self, endpoint: str, record: AccessRecord) -> None:
        """Take one record."""
        records = self._records.get(endpoint)
        if records is None:
            records = self._records[endpoint] = []
            if self._timer is None:
                self._timer = self._loop.call_later(BATCH_S, self.flush)
        records.append(record)
        if len(records) >= BATCH_RECORDS:
            self._send(endpoint, self._records.pop(endpoint))

    def flush(self) -> None:
        """Publish what is here."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        everything, self._records = self._records, {}
        for endpoint, records in everything.items():
            self._send(endpoint, records)

    def _send(self, endpoint: str, records: list[AccessRecord]) -> None:
        batch = wire.AccessBatch(endpoint=endpoint, gateway=self._gateway, records=records)
        try:
            self._post(subjects.traffic(endpoint), wire.encode(batch))
        except BusError:
            self.lost += len(records)
            log.warning("traffic.lost endpoint=%s records=%d", endpoint, len(records))
