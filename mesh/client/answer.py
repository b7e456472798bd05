"""What a client asks and what it is answered, whichever way they travel. Ring: values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from mesh.errors import BackendError, MeshError, error_class
from mesh.statuses import STATUSES, status_of
from mesh.subjects import NAME_RULE, REQUEST_ID_RULE, is_name, is_request_id

JSON: Final = "application/json"
DEPLOYMENT_HEADER: Final = "azureml-model-deployment"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `headers` hold the deployment and the content type."""

    endpoint: str
    body: bytes
    headers: dict[str, str]
    timeout_s: float | None = None


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


class Transport(Protocol):
    """A way to a mesh."""

    async def invoke(self, asked: Ask) -> Answer:
        """Ask and wait for the answer."""

    async def submit(self, asked: Ask) -> str:
        """Queue a request; return its id."""

    async def result(self, endpoint: str, request_id: str, wait_s: float) -> Answer:
        """Return a queued request's result."""

    async def close(self) -> None:
        """Disconnect."""


def ask(
    endpoint: str,
    data: Any,
    deployment: str | None,
    timeout_s: float | None,
    headers: Mapping[str, str] | None,
) -> Ask:
    """Word a request.

    Raises:
        ValueError: there can be no endpoint of that name, or no such time.
    """
    if not is_name(endpoint):
        raise ValueError(f"endpoint {endpoint!r}: expected {NAME_RULE}")
    if timeout_s is not None and timeout_s <= 0:
        raise ValueError(f"timeout_s {timeout_s!r}: expected a positive number of seconds")
    said = dict(headers or {})
    if "content-type" not in map(str.lower, said):
        said["Content-Type"] = JSON
    if deployment is not None:
        said[DEPLOYMENT_HEADER] = deployment
    body = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else encode(data)
    return Ask(endpoint=endpoint, body=body, headers=said, timeout_s=timeout_s)


def encode(data: Any) -> bytes:
    """Return data as JSON.

    Raises:
        ValueError: it cannot be written so.
    """
    try:
        return msgspec.json.encode(data)
    except (TypeError, msgspec.MsgspecError) as exc:
        raise ValueError(f"data cannot be sent as JSON: {exc}; bytes are sent as they are") from exc


def refuse_bad_id(request_id: str) -> None:
    """Refuse what no request is called.

    Raises:
        ValueError: it is no id.
    """
    if not is_request_id(request_id):
        raise ValueError(f"request_id {request_id!r}: expected {REQUEST_ID_RULE}")


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
