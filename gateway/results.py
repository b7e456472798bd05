"""`/endpoints/<endpoint>/requests/<id>`: what has become of a queued request, and its end.

Ring: service.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from starlette import requests, responses

from gateway import auth, waiting
from gateway.cors import Cors
from gateway.edge import RETRY_AFTER_S, Response, refusal, stored
from gateway.routes import Route, RouteTable
from gateway.streamed import as_asgi
from mesh import jobs, kept, subjects, wire
from mesh.bus import Bus
from mesh.ear import Ear
from mesh.errors import DeadlineExceededError, ForbiddenError, MeshError, NotFoundError
from mesh.jobs import JobStatus

LONGEST_WAIT_S: Final = 60.0
JSON_LINE: Final = f"content-type: {wire.JSON}\r\n"

_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait\s*=\s*(\d{1,6})\s*(?:$|[,;])", re.IGNORECASE)

Handle = Callable[[str, str, requests.Request], Awaitable[Response]]


class Results:
    """Looks after queued requests for those who have the endpoint's key."""

    def __init__(self, bus: Bus, routes: RouteTable, cors: Cors) -> None:
        self._bus = bus
        self._routes = routes
        self._cors = cors
        self._leaving = asyncio.Event()
        self.waiting = 0  # clients who wait for an end

    def __repr__(self) -> str:
        return f"<Results waiting={self.waiting}>"

    def close(self) -> None:
        """Keep nobody waiting from now on."""
        self._leaving.set()

    async def serve(self, request: requests.Request) -> responses.Response:
        """Answer a request for what became of another, or to cancel it."""
        origin = request.headers.get("origin", "").encode("latin-1")
        if request.method == "OPTIONS":
            headers = self._cors.preflight(origin)
            if headers is None:
                raise ForbiddenError("this origin may not call here")
            return responses.Response(status_code=204, headers=headers)
        name, request_id = request.path_params["name"], request.path_params["id"]
        handle = self._cancel if request.method == "DELETE" else self._show
        try:
            self._check(name, request.headers.get("authorization"))
            response = await handle(name, request_id, request)
        except MeshError as error:
            response = refusal(error)
        lines = (response.head + self._cors.lines(origin)).decode("latin-1").splitlines()
        said = dict(line.split(": ", 1) for line in lines)
        return await as_asgi(self._bus, response, said)

    def _check(self, endpoint: str, authorization: str | None) -> Route:
        route = self._routes.by_name.get(endpoint)
        if route is None:
            raise NotFoundError("no such endpoint")
        auth.check(authorization.encode("latin-1") if authorization else None, route.digests)
        return route

    async def _cancel(self, endpoint: str, request_id: str, request: requests.Request) -> Response:
        await kept.cancel(self._bus, endpoint, request_id)
        body = msgspec.json.encode({"id": request_id, "state": "cancelled"})
        return Response(200, f"{JSON_LINE}mesh-job-state: cancelled\r\n".encode(), body)

    async def _show(self, endpoint: str, request_id: str, request: requests.Request) -> Response:
        wish_s = wished_wait_s(request.headers.get("prefer", ""))
        if wish_s is None:
            status = await jobs.known(self._bus, endpoint, request_id)
        else:
            status = await self._wait(endpoint, request_id, request, wish_s)
        if status.has_ended:
            return ended(status)
        response = await self._unfinished(endpoint, status)
        if wish_s is None:
            return response
        applied = f"preference-applied: wait={wish_s:g}\r\n".encode()
        return response._replace(head=response.head + applied)

    async def _wait(
        self, endpoint: str, request_id: str, request: requests.Request, limit_s: float
    ) -> JobStatus:
        """Return what is known once it has ended, or nobody waits any more."""
        self.waiting += 1
        try:
            async with Ear(self._bus) as ear:
                await ear.listen(subjects.result(endpoint, request_id))
                status = await jobs.known(self._bus, endpoint, request_id)
                if status.has_ended:
                    return status
                await waiting.any_of(
                    limit_s, ear.heard.wait(), self._leaving.wait(), waiting.disconnected(request)
                )
        finally:
            self.waiting -= 1
        # What is heard may be a second result, which the stream has refused: it is asked.
        return await jobs.known(self._bus, endpoint, request_id)

    async def _unfinished(self, endpoint: str, status: JobStatus) -> Response:
        position = wait_s = None
        if status.state == "queued":
            position = await waiting.position(self._bus, endpoint, status)
            route = self._routes.by_name.get(endpoint)
            target = route.targets.get(status.deployment) if route else None
            depth = target.depth if target else None
            wait_s = waiting.estimate_s(depth, position)
        head = f"{JSON_LINE}retry-after: {RETRY_AFTER_S}\r\nx-request-id: {status.request_id}\r\n"
        head += f"mesh-job-state: {status.state}\r\n"
        return Response(
            202, head.encode(), msgspec.json.encode(described(status, position, wait_s))
        )


def wished_wait_s(prefer: str) -> float | None:
    """Return how long a `Prefer` header asks to wait, within the limit; None if it does not."""
    found = _WAIT.search(prefer)
    return min(float(found[1]), LONGEST_WAIT_S) if found else None


def ended(status: JobStatus) -> Response:
    """Return the answer for a request that has ended: as its own would have been."""
    result = status.result
    if result is None:
        response = refusal(DeadlineExceededError("it was not run within its time limit"))
    else:
        response = stored(result.data, result.headers or {})
    return response._replace(head=response.head + f"mesh-job-state: {status.state}\r\n".encode())


def described(status: JobStatus, position: int | None, wait_s: float | None) -> dict[str, Any]:
    """Return what is told of a request that has not ended; times in RFC 3339."""
    return {
        "id": status.request_id,
        "state": status.state,
        "deployment": status.deployment or None,
        "lane": status.lane,
        "position": position,
        "estimated_wait_s": wait_s,
        "attempt": status.attempt,
        "submitted_at": instant(status.submitted_at_s),
        "expires_at": instant(status.expires_at_s),
    }


def instant(at_s: float) -> str | None:
    """Return a Unix time as RFC 3339, None for one that is not known."""
    if not at_s:
        return None
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
