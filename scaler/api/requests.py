"""The verbs of queued requests. Ring: service."""

from __future__ import annotations

import secrets
from typing import Any, Final

from mesh import jobs, kept, subjects
from mesh.api import Nothing
from mesh.errors import ConflictError
from mesh.request_api import RequestId, RequestRetried
from mesh.streams import store
from scaler.api.desk import Desk
from scaler.registry import require_endpoint
from scaler.requeue import sent_again

RETRY: Final = "retry"
DIGITS: Final = 16


async def cancel(desk: Desk, request: RequestId) -> Nothing:
    """Cancel a request, wherever it is."""
    found = await kept.cancel(desk.bus, request.endpoint_name, request.request_id)
    await desk.events.tell(
        "RequestCancelled", request.endpoint_name, found.deployment, request.request_id
    )
    return Nothing()


async def retry(desk: Desk, request: RequestId) -> RequestRetried:
    """Enqueue a request that did not succeed anew, under a new id."""
    endpoint, request_id = request.endpoint_name, request.request_id
    require_endpoint(desk.registry, endpoint)
    found = await jobs.known(desk.bus, endpoint, request_id)
    if not found.has_ended:
        raise ConflictError(f"request {request_id} has not ended: it is {found.state}")
    asked, body = await kept.find_request(desk.bus, endpoint, found)
    new_id = f"{RETRY}-{secrets.token_hex(DIGITS // 2)}"
    headers = sent_again(asked, new_id)
    await store(desk.bus, subjects.enqueue(endpoint), body, headers)
    await desk.events.tell(
        "RequestRetried", endpoint, found.deployment, f"{request_id} -> {new_id}"
    )
    return RequestRetried(endpoint_name=endpoint, request_id=request_id, new_id=new_id)


VERBS: dict[str, tuple[type, Any]] = {
    "request.cancel": (RequestId, cancel),
    "request.retry": (RequestId, retry),
}
