"""What a request says of itself under its idempotency key, and what a repeat of it is answered.

Ring: service.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

from gateway.call import CONTENT_TYPE, DEPLOYMENT, KeyedCall, timeout_s
from gateway.claiming import Taken
from gateway.edge import Response, answer
from gateway.exchange import Exchange
from gateway.idempotency import SUBMIT_S, Asked
from gateway.submission import PREFER, accepted, prefers_async
from mesh import jobs, wire
from mesh.errors import KeyReusedError
from mesh.records import ClaimRecord

IN_A_THREAD_BYTES: Final = 256 * 1024
REPLAYED: Final = b"idempotency-replayed: true\r\n"


def longest_s(exchange: Exchange) -> float:
    """Return how long a request may take wherever it goes."""
    targets, headers = exchange.route.targets, exchange.headers
    named = targets.get(headers.get(DEPLOYMENT, b"").decode("latin-1"))
    chosen = targets.values() if named is None else [named]
    return max((timeout_s(target, headers) for target in chosen), default=0.0)


async def claimed(call: KeyedCall) -> ClaimRecord:
    """Return what the request would write under its key."""
    queued = prefers_async(call.exchange.headers.get(PREFER, b""))
    return ClaimRecord(
        fingerprint=await fingerprint(call),
        request_id=call.request_id,
        timeout_s=SUBMIT_S if queued else longest_s(call.exchange),
        queued=queued,
    )


async def fingerprint(call: KeyedCall) -> str:
    """Return what tells the request from others under its key."""
    exchange = call.exchange
    headers = exchange.headers
    if len(exchange.body) > IN_A_THREAD_BYTES:
        body = await asyncio.to_thread(_sha256, exchange.body)
    else:
        body = _sha256(exchange.body)
    return Asked(
        method=exchange.method,
        path=call.path,
        content_type=headers.get(CONTENT_TYPE, b""),
        deployment=headers.get(DEPLOYMENT, b""),
        body=body,
    ).fingerprint


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def replay(call: KeyedCall, taken: Taken) -> Response:
    """Return the answer of the first request, and let this one be known by its id.

    Raises:
        KeyReusedError: that one was another request.
    """
    record, result = taken.record, taken.result
    if taken.verdict == "reused":
        raise KeyReusedError(reused_text(record, call))
    call.request_id, call.deployment = record.request_id, taken.deployment
    if record.queued or result is None:
        response = accepted(call.exchange.route.endpoint, record.request_id)
    else:
        headers = jobs.answer_headers(result.headers or {})
        call.deployment = headers.get(wire.DEPLOYMENT, "")
        response, _ = answer(result.data, headers)
    said = {**response.said, wire.REPLAYED: "true"}
    return response._replace(head=response.head + REPLAYED, said=said)


def reused_text(record: ClaimRecord, call: KeyedCall) -> str:
    """Say what the key stands for."""
    queued = prefers_async(call.exchange.headers.get(PREFER, b""))
    if record.queued != queued:
        kind = "is queued" if record.queued else "waits for its answer"
        return f"the idempotency key stands for a request that {kind}, {record.request_id}"
    return (
        f"the idempotency key stands for another request, {record.request_id}, of another method, "
        f"path, content type, named deployment or body"
    )
