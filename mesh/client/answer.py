"""What a client is answered, whichever way it travels. Ring: values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from mesh.errors import BackendError, MeshError, error_class
from mesh.statuses import STATUSES, status_of

DEPLOYMENT_HEADER: Final = "azureml-model-deployment"

State = Literal["queued", "delayed", "running", "done", "failed", "cancelled", "expired"]
ENDED: Final[tuple[State, ...]] = ("done", "failed", "cancelled", "expired")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: the model's, or the mesh's in its place.

    `status` is that of HTTP; `model_status` the model's own if it said an error, else 0; `headers`
    as they came, with names of the way they came.
    """

    status: int
    body: bytes
    content_type: str = ""
    request_id: str = ""
    deployment: str = ""
    model_status: int = 0
    headers: Mapping[str, str] = {}

    def json(self) -> Any:
        """Return the body, read as JSON.

        Raises:
            ValueError: it is none.
        """
        return msgspec.json.decode(self.body)


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What has become of a queued request so far; None is what is not known.

    `attempt` is 0 until it is begun. `position`: about how many are run before it, and
    `estimated_wait_s`: about how long that takes; both are told over HTTP alone.
    """

    id: str
    state: State
    deployment: str | None = None
    lane: str | None = None
    attempt: int = 0
    position: int | None = None
    estimated_wait_s: float | None = None
    submitted_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def has_ended(self) -> bool:
        """Whether there is a result."""
        return self.state in ENDED


def checked(answer: Answer, code: str = "") -> Answer:
    """Return an answer that is 2xx; raise any other one, the answer in its `context`.

    Args:
        answer: the answer.
        code: the error's code, if the way it came says so; else it is found in the body.

    Raises:
        MeshError: of the class that the code names.
    """
    if 200 <= answer.status < 300:
        return answer
    told_code, message = _told(answer)
    code = code or told_code
    if code == BackendError.code and not message:
        message = f"the model answered with an error: {answer.body[:200].decode(errors='replace')}"
    kind: type[MeshError] = error_class(code)
    raise kind(message or f"status {answer.status}", answer=answer)


def _told(answer: Answer) -> tuple[str, str]:
    """Read an error of the mesh's own, which a model's body is not mistaken for."""
    usual = next((code for code, status in STATUSES.items() if status == answer.status), "")
    try:
        error = msgspec.json.decode(answer.body, type=dict[str, dict[str, str]])["error"]
        code, message = error["code"], error["message"]
    except (msgspec.MsgspecError, KeyError):
        return usual, ""
    return (code, message) if status_of(code) == answer.status else (usual, "")
