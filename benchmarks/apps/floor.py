"""The floor: the model inside a bare Starlette app. No queue, no auth, no metrics, no isolation."""

import score
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def run(request: Request) -> JSONResponse:
    """Answer a scoring request."""
    return JSONResponse(score.run(await request.body()))


score.init()
app = Starlette(routes=[Route("/score", run, methods=["POST"])])
