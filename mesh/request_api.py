"""What is asked and told of queued requests, as JSON on `mesh.api.request.<verb>`. Ring: values."""

from __future__ import annotations

import msgspec


class RequestId(msgspec.Struct, frozen=True, kw_only=True):
    """Which queued request. Verbs: request.cancel, request.retry."""

    endpoint_name: str
    request_id: str


class RequestRetried(msgspec.Struct, frozen=True, kw_only=True):
    """A queued request that was sent again: what the new one is called."""

    endpoint_name: str
    request_id: str
    new_id: str


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """A queued request as people see it. Times are Unix seconds, 0 if not known, or not yet.

    `status` and `error` are those of its result, `size_bytes` that of the result's body.
    """

    request_id: str
    endpoint_name: str
    state: str
    deployment: str
    lane: str
    attempt: int
    instance: str
    submitted_at_s: float
    expires_at_s: float
    begun_at_s: float
    ended_at_s: float
    status: int = 0
    error: str = ""
    size_bytes: int = 0
    headers: dict[str, str] = {}
