"""What is written down of each request. Ring: values."""

from __future__ import annotations

import msgspec


class AccessRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One request as the gateway saw it, as in Azure's traffic log; `at_s` is Unix time."""

    at_s: float
    request_id: str
    deployment: str
    method: str
    path: str
    status: int
    model_status: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    total_ms: float = 0.0
    queued_ms: float = 0.0
    run_ms: float = 0.0
    instance: str = ""
    client_request_id: str = ""
    user_agent: str = ""
    mirrored_to: str = ""
