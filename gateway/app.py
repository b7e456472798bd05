"""Everything that is no scoring request: health, metrics, preflights, and honest refusals.

Scoring requests never come here (see `gateway.protocol`), but for those that cannot be served as
they were sent. Ring: adapter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.cors import Cors
from gateway.edge import phrase_of
from mesh import metrics
from mesh.errors import ForbiddenError, MeshError, NotFoundError, RequestError, error_body
from mesh.statuses import status_of

MODEL_PATHS: Final = ("/score", "/v2", "/v2/{rest:path}")
# What starlette refuses by itself.
Handle = Callable[[Request], Awaitable[Response]]
CODES: Final = {404: NotFoundError.code, 405: "method_not_allowed"}


def build_app(
    registry: CollectorRegistry, is_ready: Callable[[], bool], cors: Cors, results: Handle
) -> Starlette:
    """Return the ASGI application; `results` answers who asks for a queued request."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        ready = is_ready()
        return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)

    async def scrape(request: Request) -> Response:
        body, content_type = metrics.render(registry)
        return Response(body, media_type=content_type)

    async def score(request: Request) -> Response:
        return _score(request, cors)

    scoring = [f"{start}{path}" for start in ("/endpoints/{name}", "") for path in MODEL_PATHS]
    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", scrape),
            _route("/endpoints/{name}/requests/{id}", results, "GET", "DELETE", "OPTIONS"),
            *(_route(path, score, "GET", "POST", "OPTIONS") for path in scoring),
        ],
        exception_handlers={MeshError: _refuse, HTTPException: _refuse_route},
    )


def _route(path: str, handle: Handle, *methods: str) -> Route:
    route = Route(path, handle)
    route.methods = set(methods)  # handed over, it would add HEAD
    return route


def _score(request: Request, cors: Cors) -> Response:
    """Answer what looks like a scoring request and is not: the endpoint is not known."""
    origin = request.headers.get("origin", "").encode("latin-1")
    if request.method == "OPTIONS":
        headers = cors.preflight(origin)
        if headers is None:
            raise ForbiddenError("this origin may not call here")
        return Response(status_code=204, headers=headers)
    if "upgrade" in request.headers:
        raise RequestError("scoring requests take no upgrade")
    raise NotFoundError("no such endpoint")


async def _refuse(request: Request, exc: Exception) -> Response:
    """Answer with an error of ours."""
    error = exc if isinstance(exc, MeshError) else MeshError()
    body = error_body(error.code, error.message)
    return Response(body, status_of(error.code), media_type="application/json")


async def _refuse_route(request: Request, exc: Exception) -> Response:
    """Answer where there is no such path or method."""
    error = exc if isinstance(exc, HTTPException) else HTTPException(500)
    code = CODES.get(error.status_code, RequestError.code)
    body = error_body(code, error.detail or phrase_of(error.status_code))
    return Response(body, error.status_code, error.headers, media_type="application/json")
