"""The one table from error codes to statuses: over HTTP, and in `Mesh-Status`.

`docs/protocol.md` shows it to people. Ring: values.
"""

from __future__ import annotations

from typing import Final

STATUSES: Final[dict[str, int]] = {
    "not_finished": 202,
    "invalid_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "deadline_exceeded": 408,
    "conflict": 409,
    "out_of_quota": 409,
    "cancelled": 410,
    "too_large": 413,
    "key_reused": 422,
    "model_error": 424,
    "boot_failed": 424,
    "poison": 424,
    "queue_full": 429,
    "capacity": 429,
    "headers_too_large": 431,
    "internal": 500,
    "protocol": 500,
    "no_worker": 503,
    "answer_unknown": 503,
    "bus": 503,
    "bus_refused": 503,
    "bus_timeout": 503,
    "no_responders": 503,
}


def status_of(code: str) -> int:
    """Return the HTTP status of an error code, 500 for an unknown one."""
    return STATUSES.get(code, 500)
