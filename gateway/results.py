"""`GET /endpoints/<endpoint>/requests/<id>`: what has become of a queued request.

Ring: adapter.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec
from starlette import requests, responses

from gateway import auth
from gateway.edge import RETRY_AFTER_S, Response, refusal, stored
from gateway.routes import RouteTable
from gateway.streamed import as_asgi
from mesh import jobs, subjects
from mesh.bus import Bus
from mesh.errors import DeadlineExceededError, MeshError, NotFoundError

# After its time limit a request may still run for as long as its deployment lets it.
RUNNING_S: Final = 330.0


class Results:
    """Looks results up for those who have the endpoint's key."""

    def __init__(self, bus: Bus, routes: RouteTable) -> None:
        self._bus = bus
        self._routes = routes

    def __repr__(self) -> str:
        return f"<Results {self._routes!r}>"

    async def get(self, request: requests.Request) -> responses.Response:
        """Answer with the result, 202 while there is none, 404 if nothing is known."""
        name, request_id = request.path_params["name"], request.path_params["id"]
        try:
            self._check(name, request.headers.get("authorization"))
            response = await self._look_up(name, request_id)
        except MeshError as error:
            response = refusal(error)
        lines = response.head.decode("latin-1").splitlines()
        headers = dict(line.split(": ", 1) for line in lines)
        return await as_asgi(self._bus, response, headers)

    def _check(self, endpoint: str, authorization: str | None) -> None:
        route = self._routes.by_name.get(endpoint)
        if route is None:
            raise NotFoundError("no such endpoint")
        auth.check(authorization.encode("latin-1") if authorization else None, route.digests)

    async def _look_up(self, endpoint: str, request_id: str) -> Response:
        if not subjects.is_request_id(request_id):
            raise NotFoundError(f"a request's id has {subjects.REQUEST_ID_RULE}")
        result = await jobs.find_result(self._bus, endpoint, request_id)
        if result is not None:
            return stored(result.data, result.headers or {})
        job = await jobs.find(self._bus, endpoint, request_id)
        if job is None:
            raise NotFoundError("no such request, or its result is more than a day old")
        if time.time() > job.at_s + job.record.timeout_s + RUNNING_S:
            raise DeadlineExceededError("it was not run within its time limit")
        return waiting(request_id, job.record.state)


def waiting(request_id: str, state: str) -> Response:
    """Return what tells that there is no result yet."""
    head = (
        f"content-type: application/json\r\nretry-after: {RETRY_AFTER_S}\r\n"
        f"x-request-id: {request_id}\r\n"
    )
    return Response(202, head.encode(), msgspec.json.encode({"id": request_id, "state": state}))
