"""Webhooks: telling those who asked for it that a queued request has ended.

Each is kept in `WEBHOOKS` until it was taken, or given up. Calls are signed as the specification
"Standard Webhooks" has it; the id is the request's, so that a second one is known. Ring: service.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from standardwebhooks import Webhook

from gateway.intake import Enqueued, Intake
from gateway.results import instant
from gateway.routes import RouteTable
from gateway.terms import may_call
from mesh import jobs, subjects, wire
from mesh.backoff import backoff_s
from mesh.bus import Bus, Outlet
from mesh.clock import BrokerClock
from mesh.errors import MeshError, NotFoundError
from mesh.jobs import JobStatus
from mesh.settings import GatewaySettings
from mesh.streams import store

log = logging.getLogger("gateway.webhooks")

RETRY_S: Final = (5.0, 4 * 3600.0)
CONNECTIONS: Final = 64
INLINE_BYTES: Final = 64 * 1024  # a larger result is fetched
GONE: Final = 410


class Webhooks:
    """Calls them, many at once. `outcomes` counts what became of the calls."""

    def __init__(
        self, bus: Bus, routes: RouteTable, outlet: Outlet, settings: GatewaySettings
    ) -> None:
        self.outcomes = dict.fromkeys(("delivered", "retried", "dead"), 0)
        self.intake = Intake(bus, outlet, subjects.WEBHOOKS_STREAM, self.settle, BrokerClock())
        self._bus = bus
        self._routes = routes
        self._settings = settings
        self._http = httpx.AsyncClient(
            timeout=settings.webhook_timeout_s,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=CONNECTIONS),
        )

    def __repr__(self) -> str:
        return f"<Webhooks {self.outcomes}>"

    async def close(self, grace_s: float) -> int:
        """Begin no more calls; return how many there was no time for."""
        late = await self.intake.close(grace_s)
        await self._http.aclose()
        return late

    async def settle(self, kept: Enqueued) -> None:
        """Call one, and say what is to become of it."""
        _, _, endpoint, request_id = kept.message.subject.split(".")
        try:
            problem, is_final = await self._call(endpoint, request_id, kept.message.data.decode())
            if problem and (is_final or kept.delivered >= self._settings.webhook_attempts):
                await self._bury(endpoint, request_id, kept, problem)
                problem = ""
        except MeshError as exc:
            problem = str(exc)
        except Exception:  # a bug: it is tried again, and others go on
            log.exception("webhooks.broken request=%s", request_id)
            problem = "a bug"
        if problem:
            log.info("webhooks.retry request=%s %s", request_id, problem)
            self.outcomes["retried"] += 1
            self.intake.hand_back(kept, backoff_s(kept.delivered, *RETRY_S))
        else:
            self.intake.acknowledge(kept)

    async def _call(self, endpoint: str, request_id: str, url: str) -> tuple[str, bool]:
        """Return what went wrong, empty if nothing did, and whether to give up at once."""
        route = self._routes.by_name.get(endpoint)
        if route is None or not route.webhook_secret:
            return "the endpoint, or its webhook secret, is gone", True
        # A producer of its lane may say anything.
        if not may_call(url, self._settings.webhook_hosts):
            return f"{url}: gateway.webhook_hosts does not name its host", True
        try:
            status = await jobs.known(self._bus, endpoint, request_id)
        except NotFoundError:
            return "the result is not kept any more", True
        body = json.dumps(told(endpoint, status)).encode()
        try:
            answer = await self._http.post(
                url, content=body, headers=signed(route.webhook_secret, request_id, body)
            )
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            return f"{url}: {str(exc) or type(exc).__name__}", False
        if answer.is_success:
            self.outcomes["delivered"] += 1
            return "", False
        return f"{url}: status {answer.status_code}", answer.status_code == GONE

    async def _bury(self, endpoint: str, request_id: str, kept: Enqueued, reason: str) -> None:
        letter = wire.DeadLetter(
            kind="webhook",
            endpoint=endpoint,
            deployment="-",
            lane="queued",
            request_id=request_id,
            reason=reason,
            attempts=kept.delivered,
            at_s=time.time(),
            headers={},
            body=kept.message.data,
        )
        log.error("webhooks.dead request=%s %s", request_id, reason)
        await store(self._bus, subjects.dead(endpoint, "-"), wire.encode(letter))
        self.outcomes["dead"] += 1


def signed(secret: str, request_id: str, body: bytes) -> dict[str, str]:
    """Return the headers of a call."""
    now = datetime.now(UTC)
    return {
        "content-type": wire.JSON,
        "user-agent": "serving-mesh",
        "webhook-id": request_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(request_id, now, body.decode()),
    }


def told(endpoint: str, status: JobStatus) -> dict[str, Any]:
    """Return what a webhook says: how a request ended, and its result if it is small JSON."""
    result = status.result
    headers = (result.headers or {}) if result is not None else {}
    data: dict[str, Any] = {
        "id": status.request_id,
        "endpoint": endpoint,
        "deployment": status.deployment or None,
        "state": status.state,
        "status": int(headers.get(wire.STATUS, 408)),
        "error": headers.get(wire.ERROR),
        "location": f"/endpoints/{endpoint}/requests/{status.request_id}",
        "submitted_at": instant(status.submitted_at_s),
    }
    if result is not None and len(result.data) <= INLINE_BYTES:
        try:
            data["result"] = json.loads(result.data)
        except ValueError:
            data["result"] = None
    return {"type": f"request.{status.state}", "timestamp": instant(time.time()), "data": data}
