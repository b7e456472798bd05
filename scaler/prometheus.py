"""Asking a Prometheus for one number. Ring: adapter."""

from __future__ import annotations

import math
from typing import Final

import httpx
import msgspec

LARGEST_ANSWER: Final = 1 << 16  # bytes: more is no single number, and takes its time to read
LONGEST_ERROR: Final = 200


class QueryError(Exception):
    """There is no number."""


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    result_type: str
    result: msgspec.Raw


class _Said(msgspec.Struct, frozen=True):
    status: str
    data: _Data | None = None
    error: str = ""


class _Series(msgspec.Struct, frozen=True):
    value: tuple[float, str]


def new_client() -> httpx.AsyncClient:
    """Return what asks: it follows nobody elsewhere, and takes nothing from the environment."""
    return httpx.AsyncClient(follow_redirects=False, trust_env=False)


async def ask(client: httpx.AsyncClient, url: str, query: str, limit_s: float) -> float:
    """Return the value of a query now.

    Raises:
        QueryError: it has none, or none was told in time.
    """
    path = f"{url.rstrip('/')}/api/v1/query"
    try:
        async with client.stream("GET", path, params={"query": query}, timeout=limit_s) as answer:
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    raise QueryError(f"more than {LARGEST_ANSWER} bytes: it must be one number")
    except httpx.TimeoutException as exc:
        raise QueryError(f"no answer in {limit_s:g} s") from exc
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise QueryError(str(exc) or type(exc).__name__) from exc
    return read_value(answer.status_code, bytes(body))


def read_value(status: int, body: bytes) -> float:
    """Return the one number that an answer holds.

    Raises:
        QueryError: it holds none, several, or one that is not finite.
    """
    try:
        said = msgspec.json.decode(body, type=_Said)
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise QueryError(f"status {status}, and not what a Prometheus answers") from exc
    if said.status != "success" or said.data is None:
        raise QueryError(f"status {status}: {said.error[:LONGEST_ERROR]}")
    try:
        value = _value(said.data)
    except (msgspec.MsgspecError, ValueError) as exc:
        raise QueryError(f"a {said.data.result_type} and not one number") from exc
    if not math.isfinite(value):
        raise QueryError(f"the value is {value}")
    return value


def _value(data: _Data) -> float:
    if data.result_type == "scalar":
        return float(msgspec.json.decode(data.result, type=tuple[float, str])[1])
    if data.result_type != "vector":
        raise ValueError(data.result_type)
    series = msgspec.json.decode(data.result, type=list[_Series])
    if len(series) != 1:
        raise QueryError("no series has a value" if not series else f"{len(series)} series, not 1")
    return float(series[0].value[1])
