"""Bodies too large for a message, as a worker has them: requests fetched, answers stored.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Final

from mesh import bodies, claims, wire
from mesh.bus import Bus
from mesh.claims import MARGIN_S, TRANSFER_S
from mesh.errors import BackendError, BusError, DeadlineExceededError, MeshError
from mesh.statuses import status_of
from mesh.topology import RESULT_TTL_S
from workers.answer import Reply, refusal
from workers.work import Work

log = logging.getLogger("workers.bodies")

HEADERS_BYTES: Final = 32 * 1024  # half the room that a message keeps free beside its body
AGAIN_S: Final = 0.25
KEEP_S: Final = 15.0


class Bodies:
    """Fetches the bodies of requests, and stores answers of up to `limit_bytes`.

    Those of results are kept for `result_ttl_s`.
    """

    def __init__(self, bus: Bus, limit_bytes: int, result_ttl_s: float = RESULT_TTL_S) -> None:
        self._bus = bus
        self._limit_bytes = limit_bytes
        self._result_ttl_s = result_ttl_s
        self._now = asyncio.get_running_loop().time

    def __repr__(self) -> str:
        return f"<Bodies up to {self._limit_bytes} bytes>"

    async def fetch(self, work: Work) -> bytes:
        """Return the body that a request only names; try until its deadline.

        Raises:
            ProtocolError: it is not there (any more), or named wrongly.
            DeadlineExceededError: it did not come in time.
        """
        claim = claims.parse(work.headers[wire.BODY])
        try:
            async with asyncio.timeout_at(work.deadline_s):
                while True:
                    try:
                        return await bodies.read(self._bus, claim)
                    except BusError as exc:
                        log.warning("bodies.fetch_again request=%s %s", work.request_id, exc)
                    await asyncio.sleep(AGAIN_S)
        except TimeoutError as exc:
            raise DeadlineExceededError from exc

    def fit(self, reply: Reply) -> Reply:
        """Return an answer, or what says that it is too large for anybody to carry."""
        head_bytes = len(reply.http) + len(reply.content_type)
        if head_bytes > HEADERS_BYTES:
            text = f"the answer's headers of {head_bytes} bytes are larger than {HEADERS_BYTES}"
        elif len(reply.body) > self._limit_bytes:
            text = f"the answer of {len(reply.body)} bytes is larger than {self._limit_bytes} bytes"
        else:
            return reply
        return refusal(BackendError(text), reply.status)

    def is_large(self, work: Work, reply: Reply) -> bool:
        """Tell whether an answer is to be stored.

        One that is kept stays whole as long as a message can carry it: a producer reads it there.
        """
        size_bytes = len(reply.body)
        if size_bytes <= bodies.chunk_bytes(self._bus) or work.is_shadow:
            return False
        if work.is_kept:
            return size_bytes > self._bus.max_body_bytes
        return bool(work.reply)

    async def stored(self, work: Work, reply: Reply, on_stored: Callable[[], None]) -> Reply:
        """Store an answer; return the one that names it, or what says that it cannot be had."""
        until_s = max(self._now() + KEEP_S, work.deadline_s)
        while True:
            try:
                return await self._store(work, reply, on_stored)
            except MeshError as exc:
                if not isinstance(exc, BusError) or self._now() > until_s:
                    log.warning("bodies.not_stored request=%s %s", work.request_id, exc)
                    return refusal(exc, status_of(exc.code))
            on_stored()
            await asyncio.sleep(AGAIN_S)

    async def _store(self, work: Work, reply: Reply, on_stored: Callable[[], None]) -> Reply:
        life_s = self._result_ttl_s if work.is_kept else max(0.0, work.deadline_s - self._now())
        ttl_s = life_s + TRANSFER_S + MARGIN_S
        claim = await bodies.write(self._bus, uuid.uuid4().hex, reply.body, ttl_s, on_stored)
        return reply._replace(body=b"", claim=str(claim))
