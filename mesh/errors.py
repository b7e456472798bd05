"""Every error the project raises on purpose, and the door foreign errors come in through.

An error says *what failed*. What to do about it is decided elsewhere: HTTP statuses in
`mesh.statuses`, redelivery in `mesh.settle`, exit codes in `mesh.cli`. Ring: values.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import ClassVar


class MeshError(Exception):
    """Something inside the mesh went wrong."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str | None = None, **context: object) -> None:
        self.context = context
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])

    @property
    def message(self) -> str:
        """The text for the person who caused or sees the error."""
        return str(self)


class RequestError(MeshError):
    """The request cannot be served as it was sent."""

    code = "invalid_request"


class UnauthorizedError(RequestError):
    """The request carries no valid key for this endpoint."""

    code = "unauthorized"


class ForbiddenError(RequestError):
    """The caller may not do this."""

    code = "forbidden"


class NotFoundError(RequestError):
    """No such endpoint or deployment."""

    code = "not_found"


class ConflictError(RequestError):
    """Somebody else changed this first, or it already exists."""

    code = "conflict"


class KeyReusedError(RequestError):
    """The idempotency key stands for another request."""

    code = "key_reused"


class OutOfQuotaError(RequestError):
    """There is no quota for the instances that were asked for."""

    code = "out_of_quota"


class PayloadTooLargeError(RequestError):
    """The body is larger than the endpoint accepts."""

    code = "too_large"


class HeadersTooLargeError(RequestError):
    """The request headers are larger than the gateway accepts."""

    code = "headers_too_large"


class CapacityError(MeshError):
    """The deployment cannot take more work now."""

    code = "capacity"


class QueueFullError(CapacityError):
    """The deployment's queue is full."""

    code = "queue_full"


class NoWorkerError(CapacityError):
    """The deployment has failed and has no instance that could answer."""

    code = "no_worker"


class DeadlineExceededError(MeshError):
    """No answer came within the request's deadline."""

    code = "deadline_exceeded"


class BackendError(MeshError):
    """The model answered with an error."""

    code = "model_error"

    @property
    def body(self) -> bytes:
        """What the model said, if it was asked by a client; the client's answer is in `context`."""
        body: bytes = getattr(self.context.get("answer"), "body", b"")
        return body


class BootError(BackendError):
    """The model could not be started."""

    code = "boot_failed"


class PoisonError(BackendError):
    """The request brought its runner down each time it was tried."""

    code = "poison"


class CancelledRequestError(MeshError):
    """The request was cancelled before it had an answer."""

    code = "cancelled"


class NotFinishedError(MeshError):
    """The request has no result yet."""

    code = "not_finished"


class AnswerUnknownError(MeshError):
    """The connection to the broker was lost; the request may or may not have been answered."""

    code = "answer_unknown"


class ProtocolError(MeshError):
    """A message does not follow the mesh's wire protocol."""

    code = "protocol"


class BusError(MeshError):
    """The broker is away or refused the operation."""

    code = "bus"


class BusTimeoutError(BusError):
    """The broker, or the service behind it, did not answer in time."""

    code = "bus_timeout"


class NoRespondersError(BusError):
    """Nobody listens there: the message went nowhere and may safely be sent again."""

    code = "no_responders"


class SpecError(MeshError):
    """A YAML file or a setting breaks a rule."""

    code = "bad_spec"


def error_body(code: str, message: str) -> bytes:
    """Return the JSON that every error answer carries over HTTP, whoever gives it."""
    return json.dumps({"error": {"code": code, "message": message}}).encode()


def error_class(code: str) -> type[MeshError]:
    """Return the error class that a wire `code` names, `MeshError` for an unknown one."""
    pending: list[type[MeshError]] = [MeshError]
    while pending:
        candidate = pending.pop()
        if candidate.code == code:
            return candidate
        pending.extend(candidate.__subclasses__())
    return MeshError


@contextlib.contextmanager
def translate(
    table: dict[type[BaseException], type[MeshError]], **context: object
) -> Iterator[None]:
    """Re-raise foreign exceptions as ours; the first entry of `table` that matches wins."""
    try:
        yield
    except tuple(table) as exc:
        for source, target in table.items():
            if isinstance(exc, source):
                raise target(str(exc) or None, **context) from exc
        raise
