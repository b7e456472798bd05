"""Answers: what a worker publishes about a request once it has ended.

Ring: values.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import NamedTuple

from mesh import subjects, wire
from mesh.errors import MeshError
from mesh.subjects import WorkerAddress
from workers.work import Work

JSON = "application/json"


class Reply(NamedTuple):
    """An answer as the model, or the worker in its place, gives it. `code` names our error."""

    status: int
    body: bytes
    content_type: str = JSON
    run_ms: float = 0.0
    code: str = ""
    http: bytes = b""


def refusal(error: MeshError, status: int) -> Reply:
    """An answer that the worker gives in the model's place."""
    body = json.dumps({"error": {"code": error.code, "message": error.message}}).encode()
    return Reply(status, body, code=error.code)


class Speaker:
    """Words an instance's answers: headers of one deployment at one generation."""

    def __init__(self, address: WorkerAddress, generation: int) -> None:
        self._address = address
        self._instance = address.instance
        self._generation = str(generation)

    def headers(self, work: Work, reply: Reply) -> dict[str, str]:
        """Headers of an answer; what is at its default is left out, each one costs time."""
        queued_ms = max(0.0, work.started_s - work.stamped_s) * 1000
        headers = {
            wire.STATUS: str(reply.status),
            wire.CONTENT_TYPE: reply.content_type,
            wire.INSTANCE: self._instance,
            wire.GENERATION: self._generation,
            wire.TIMING: f"{queued_ms:.3f},{reply.run_ms:.3f},1",
        }
        if reply.code:
            headers[wire.ERROR] = reply.code
        if work.attempt > 1:
            headers[wire.ATTEMPT] = str(work.attempt)
        if reply.http:
            headers[wire.HTTP] = reply.http.decode()
        return headers

    def shadow(self, work: Work, reply: Reply) -> tuple[str, bytes]:
        """Subject and body of a mirror deployment's answer."""
        answer = wire.ShadowAnswer(
            endpoint=self._address.endpoint,
            deployment=self._address.deployment,
            instance=self._instance,
            shadow_of=work.headers.get(wire.SHADOW_OF, ""),
            request_id=work.request_id,
            status=reply.status,
            outcome="failed" if reply.code else "answered",
            run_ms=reply.run_ms,
            digest=hashlib.sha256(reply.body).hexdigest(),
        )
        subject = subjects.shadow(self._address.endpoint, self._address.deployment)
        return subject, wire.encode(answer)

    def dead_letter(self, work: Work, reason: str, attempts: int) -> tuple[str, bytes]:
        """Subject and body of a request that is given up."""
        letter = wire.DeadLetter(
            endpoint=self._address.endpoint,
            deployment=self._address.deployment,
            lane=work.lane,
            request_id=work.request_id,
            reason=reason,
            attempts=attempts,
            at_s=time.time(),
            headers=work.headers,
            body=work.body,
        )
        subject = subjects.dead(self._address.endpoint, self._address.deployment)
        return subject, wire.encode(letter)
