"""Answers of the ASGI application whose bodies may lie in the broker. Ring: adapter."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from starlette import responses

from gateway.edge import Response, refusal
from mesh import bodies, claims, wire
from mesh.bus import Bus
from mesh.errors import MeshError


async def as_asgi(bus: Bus, response: Response, headers: Mapping[str, str]) -> responses.Response:
    """Return an answer as ASGI takes it; one that names its body has it chunk by chunk."""
    if wire.BODY not in response.said:
        return responses.Response(response.body, response.status, headers)
    try:
        claim = claims.parse(response.said[wire.BODY])
        pieces = bodies.pieces(bus, claim)
        first = await anext(pieces)
    except MeshError as error:
        refused = refusal(error)
        return responses.Response(refused.body, refused.status, media_type="application/json")
    length = {"content-length": str(claim.size_bytes)}
    return responses.StreamingResponse(_all(first, pieces), response.status, {**headers, **length})


async def _all(first: bytes, others: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for piece in others:
            yield piece
    finally:
        await others.aclose()
