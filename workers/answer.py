"""Answers: what a worker publishes about a request once it has ended.

Ring: values.
"""

from __future__ import annotations

import hashlib
import time
from typing import Final, NamedTuple

import msgspec

from mesh import subjects, wire
from mesh.errors import BackendError, MeshError, error_body
from mesh.records import JobRun
from mesh.statuses import status_of
from mesh.subjects import WorkerAddress
from mesh.wire import JSON
from workers.exchange import Outcome
from workers.work import Work

MODEL_ERROR: Final = "424"
MESH_HTTP_BYTES: Final = 16 * 1024


class Reply(NamedTuple):
    """An answer as the model, or the worker in its place, gives it. `code` names our error."""

    status: int
    body: bytes
    content_type: str = JSON
    run_ms: float = 0.0
    code: str = ""
    http: bytes = b""
    claim: str = ""  # stands for a body that is stored elsewhere


def refusal(error: MeshError, status: int) -> Reply:
    """An answer that the worker gives in the model's place."""
    return Reply(status, error_body(error.code, error.message), code=error.code)


def joined_reply(outcome: Outcome, chunks: list[Outcome]) -> Reply:
    """The model's answer; the pieces of a streamed one are joined, the first gives its head.

    Answers are sent whole for now: streaming to the caller is not part of protocol v1 yet.
    """
    first = chunks[0] if chunks else outcome
    status = first.status if 200 <= outcome.status < 300 else outcome.status
    body = b"".join(chunk.body for chunk in chunks) + outcome.body if chunks else outcome.body
    code = "" if 200 <= status < 300 else BackendError.code
    return Reply(status, body, first.content_type, outcome.run_ms, code, first.headers)


def _clean(text: str) -> str:
    """What a script chose, made fit for a header line."""
    if text.isascii() and text.isprintable():
        return text
    printable = "".join(one if one.isprintable() else " " for one in text)
    return printable.encode("ascii", "replace").decode()


class Speaker:
    """Words an instance's answers: headers of one deployment at one generation."""

    def __init__(self, address: WorkerAddress, generation: int) -> None:
        self._address = address
        self._instance = address.instance
        self._generation = generation
        self._identity = (
            f"{wire.INSTANCE}: {address.instance}\r\n{wire.GENERATION}: {generation}\r\n"
        )

    def fields(self, work: Work, reply: Reply) -> str:
        """Header lines of an answer; what is at its default is left out, each one costs time."""
        queued_ms = max(0.0, work.started_s - work.stamped_s) * 1000
        lines = (
            f"{wire.STATUS}: {reply.status}\r\n"
            f"{wire.CONTENT_TYPE}: {_clean(reply.content_type)}\r\n"
            f"{self._identity}{wire.TIMING}: {queued_ms:.3f},{reply.run_ms:.3f},1\r\n"
        )
        if reply.code:
            lines += f"{wire.ERROR}: {reply.code}\r\n"
        if work.attempt > 1:
            lines += f"{wire.ATTEMPT}: {work.attempt}\r\n"
        if reply.claim:
            lines += f"{wire.BODY}: {reply.claim}\r\n"
        if reply.http:
            lines += f"{wire.HTTP}: {_clean(reply.http.decode())}\r\n"
        return lines

    def stored_fields(self) -> str:
        """Header lines of an answer that only says: another result was stored first."""
        return f"{wire.STATUS}: 200\r\n{wire.STORED}: 1\r\n{self._identity}"

    @property
    def endpoint(self) -> str:
        """The endpoint whose requests are answered."""
        return self._address.endpoint

    def result(self, work: Work, reply: Reply) -> dict[str, str]:
        """Headers of a queued request's result: its status is the one it would have over HTTP."""
        queued_ms = max(0.0, work.started_s - work.stamped_s) * 1000
        headers = {
            wire.STATUS: str(status_of(reply.code) if reply.code else reply.status),
            wire.CONTENT_TYPE: _clean(reply.content_type),
            wire.DEPLOYMENT: self._address.deployment,
            wire.INSTANCE: self._instance,
            wire.GENERATION: str(self._generation),
            wire.ATTEMPT: str(work.run_number),
            wire.TIMING: f"{queued_ms:.3f},{reply.run_ms:.3f},1",
        }
        if reply.code:
            headers |= {wire.ERROR: reply.code}
        if reply.claim:
            headers |= {wire.BODY: reply.claim}
        if headers[wire.STATUS] == MODEL_ERROR:
            headers |= {wire.MODEL_STATUS: str(reply.status)}
        if 0 < len(reply.http) <= MESH_HTTP_BYTES:
            headers |= {wire.HTTP: _clean(reply.http.decode())}
        return headers

    def begun(self, work: Work) -> tuple[str, bytes]:
        """Subject and body of the note that a queued request runs."""
        run = JobRun(
            deployment=self._address.deployment,
            lane=work.lane,
            seq=work.seq,
            attempt=work.run_number,
            instance=self._instance,
        )
        return subjects.job_run(self.endpoint, work.request_id), msgspec.json.encode(run)

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
