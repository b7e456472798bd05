"""Everything that is no scoring request: health, metrics, preflights, and honest refusals.

Scoring requests never come here (see `gateway.protocol`), but for those that cannot be served as
they were sent. Ring: adapter.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.cors import Cors
from gateway.edge import error_body, phrase_of
from mesh import metrics

CODES = {400: "invalid_request", 404: "not_found", 405: "method_not_allowed"}


def build_app(registry: CollectorRegistry, is_ready: Callable[[], bool], cors: Cors) -> Starlette:
    """Return the ASGI application."""

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

    scoring = ("/endpoints/{name}/score", "/score")
    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", scrape),
            *(Route(path, score, methods=["OPTIONS", "POST", "GET"]) for path in scoring),
        ],
        exception_handlers={HTTPException: _refuse},  # type: ignore[dict-item]  # narrower argument
    )


def _score(request: Request, cors: Cors) -> Response:
    """Answer what looks like a scoring request and is not: the endpoint is not known."""
    if request.method == "HEAD":
        raise HTTPException(405)
    origin = request.headers.get("origin", "").encode("latin-1")
    if request.method == "OPTIONS":
        headers = cors.preflight(origin)
        if headers is None:
            raise HTTPException(403, "this origin may not call here")
        return Response(status_code=204, headers=headers)
    if "upgrade" in request.headers:
        raise HTTPException(400, "scoring requests take no upgrade")
    raise HTTPException(404, "no such endpoint")


async def _refuse(request: Request, exc: HTTPException) -> Response:
    code = CODES.get(exc.status_code, "internal" if exc.status_code >= 500 else "forbidden")
    text = exc.detail or phrase_of(exc.status_code)
    body = error_body(code, text)
    return Response(body, exc.status_code, exc.headers, media_type="application/json")
