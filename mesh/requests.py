"""Queued requests as people look after them: listed, shown, cancelled, sent again.

They are read from their streams as they lie there; what changes them goes through the management
service, which tells the audit trail. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from mesh import history, jobs, subjects, wire
from mesh.api import Nothing
from mesh.bus import Bus
from mesh.clock import parse_broker_time
from mesh.errors import SpecError
from mesh.jobs import JobStatus
from mesh.names import NAME_RULE, is_name
from mesh.request_api import RequestId, RequestRetried, RequestView
from mesh.verbs import Verbs

DEFAULT_REQUESTS: Final = 50
AT_ONCE: Final = 16

Name = tuple[str, str]  # endpoint and id


class Requests:
    """The queued requests of a mesh. Every method may raise `BusError` and its kin."""

    def __init__(self, bus: Bus, verbs: Verbs) -> None:
        self._bus = bus
        self._verbs = verbs

    def __repr__(self) -> str:
        return f"<Requests {self._bus!r}>"

    async def newest(
        self,
        endpoint: str | None = None,
        *,
        states: Sequence[str] = (),
        limit: int = DEFAULT_REQUESTS,
    ) -> list[RequestView]:
        """Return the last requests, newest first, without their results' headers.

        Args:
            endpoint: one endpoint; None for all.
            states: only requests in one of these; empty for all.
            limit: how many at most.
        """
        found: list[RequestView] = []
        names = await self._names(endpoint, None if states else limit)
        for start in range(0, len(names), AT_ONCE):
            part = names[start : start + AT_ONCE]
            views = await asyncio.gather(*(self._view(*name) for name in part))
            found += [view for view in views if view and (not states or view.state in states)]
            if len(found) >= limit:
                break
        return found[:limit]

    async def get(self, endpoint: str, request_id: str) -> tuple[RequestView, bytes]:
        """Return a request with its result's headers, and the result's body.

        Raises:
            NotFoundError: nothing is known of it.
        """
        status = await jobs.known(self._bus, endpoint, request_id)
        body = status.result.data if status.result is not None else b""
        return request_view(endpoint, status, with_headers=True), body

    async def cancel(self, endpoint: str, request_id: str) -> None:
        """Cancel a request, wherever it is.

        Raises:
            NotFoundError: nothing is known of it.
            ConflictError: it has ended.
        """
        request = RequestId(endpoint_name=endpoint, request_id=request_id)
        await self._verbs.call("request.cancel", request, Nothing)

    async def retry(self, endpoint: str, request_id: str) -> RequestRetried:
        """Send a request that did not succeed again, under a new id.

        Raises:
            NotFoundError: nothing is known of it, or its body is not kept.
            ConflictError: it has not ended.
        """
        request = RequestId(endpoint_name=endpoint, request_id=request_id)
        return await self._verbs.call("request.retry", request, RequestRetried)

    async def _view(self, endpoint: str, request_id: str) -> RequestView | None:
        status = await jobs.status(self._bus, endpoint, request_id)
        return request_view(endpoint, status) if status is not None else None

    async def _names(self, endpoint: str | None, newest: int | None) -> list[Name]:
        """Return which requests there are, newest first."""
        if endpoint is not None and not is_name(endpoint):
            raise SpecError(f"endpoint: {endpoint!r}: expected {NAME_RULE}")
        subject = subjects.job(endpoint or "*", "*")
        names: dict[Name, None] = {}
        messages: AsyncGenerator[history.Past] = history.read(
            self._bus, subjects.JOBS_STREAM, subject, newest=newest
        )
        async with contextlib.aclosing(messages):
            async for past in messages:
                _, _, owner, request_id = past.subject.split(".")
                names[owner, request_id] = None
        return list(reversed(names))


def request_view(endpoint: str, status: JobStatus, *, with_headers: bool = False) -> RequestView:
    """Return a request as people see it."""
    result = status.result
    headers = dict(result.headers or {}) if result is not None else {}
    stamp = headers.get(wire.TIME_STAMP)
    return RequestView(
        request_id=status.request_id,
        endpoint_name=endpoint,
        state=status.state,
        deployment=status.deployment or headers.get(wire.DEPLOYMENT, ""),
        lane=status.lane,
        attempt=status.attempt,
        instance=status.instance,
        submitted_at_s=status.submitted_at_s,
        expires_at_s=status.expires_at_s,
        begun_at_s=status.begun_at_s,
        ended_at_s=parse_broker_time(stamp) if stamp else 0.0,
        status=int(headers.get(wire.STATUS, 0)),
        error=headers.get(wire.ERROR, ""),
        size_bytes=len(result.data) if result is not None else 0,
        headers=jobs.own_headers(headers) if with_headers else {},
    )
