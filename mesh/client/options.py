"""What may be said about a request besides its data, checked before anything is sent.

Ring: values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypedDict

import msgspec

from mesh import wire
from mesh.client.answer import DEPLOYMENT_HEADER
from mesh.names import NAME_RULE, REQUEST_ID_RULE, is_name, is_request_id
from mesh.wire import JSON


class AskOptions(TypedDict, total=False):
    """Options of every request.

    `deployment`: this one, whatever the split. `timeout_s`: a shorter deadline than the
    deployment's; of a queued request how long it may wait. `headers`: more of them, such as
    `mesh-routing-key` or another `Content-Type`. `idempotency_key`: a second request with the same
    key gets the answer of the first.
    """

    deployment: str | None
    timeout_s: float | None
    headers: Mapping[str, str] | None
    idempotency_key: str


class SubmitOptions(AskOptions, total=False):
    """Options of a queued request.

    `priority`: `low` is run when nothing else waits. `expires`: when it is given up if it has not
    been run. `not_before`: when it may be run. Both are a time with its zone, or seconds from now.
    `webhook`: a URL that is told when it has ended.
    """

    priority: Literal["normal", "low"]
    expires: datetime | float
    not_before: datetime | float
    webhook: str


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `headers` hold the deployment and the content type, `marks` what the mesh reads.

    The names of `marks` are those over NATS.
    """

    endpoint: str
    body: bytes
    headers: dict[str, str]
    timeout_s: float | None = None
    marks: dict[str, str] = {}

    @property
    def key(self) -> str:
        """The idempotency key, empty if there is none."""
        return self.marks.get(wire.IDEMPOTENCY_KEY, "")

    @property
    def timeout_ms(self) -> str:
        """The time limit in words, empty if there is none."""
        return "" if self.timeout_s is None else str(max(1, round(self.timeout_s * 1000)))


MARKS: Final = {
    "idempotency_key": wire.IDEMPOTENCY_KEY,
    "priority": wire.PRIORITY,
    "expires": wire.EXPIRES,
    "not_before": wire.NOT_BEFORE,
    "webhook": wire.WEBHOOK,
}
FRAMING: Final = ("content-length", "transfer-encoding")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
ASK_OPTIONS: Final = frozenset(AskOptions.__annotations__)
SUBMIT_OPTIONS: Final = frozenset(SubmitOptions.__annotations__)


def ask(endpoint: str, data: Any, options: Mapping[str, Any], known: frozenset[str]) -> Ask:
    """Word a request.

    Args:
        endpoint: which endpoint.
        data: bytes are the body as it is; anything else is sent as JSON.
        options: those of `AskOptions` or `SubmitOptions`.
        known: the names of those that may be given.

    Raises:
        TypeError: there is no such option.
        ValueError: there can be no endpoint of that name, no such time, or no such header.
    """
    if strange := sorted(options.keys() - known):
        raise TypeError(f"unexpected option '{strange[0]}': expected {', '.join(sorted(known))}")
    refuse_bad_name(endpoint)
    timeout_s = options.get("timeout_s")
    if timeout_s is not None and not 0 < timeout_s < math.inf:
        raise ValueError(f"timeout_s {timeout_s!r}: expected a positive number of seconds")
    headers = dict(options.get("headers") or {})
    if "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = JSON
    if options.get("deployment") is not None:
        headers[DEPLOYMENT_HEADER] = options["deployment"]
    marks = {MARKS[name]: _text(name, options[name]) for name in MARKS if name in options}
    for name, text in (headers | marks).items():
        _refuse_bad_header(name, text)
    return Ask(
        endpoint=endpoint, body=encode(data), headers=headers, timeout_s=timeout_s, marks=marks
    )


def _refuse_bad_header(name: str, text: Any) -> None:
    """Refuse what can be no header, and one that the connection writes by itself.

    Raises:
        ValueError: it is none.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"header {name!r}: expected letters, digits and !#$%&'*+-.^_`|~")
    if name.lower() in FRAMING:
        raise ValueError(f"{name}: it is made of the data")
    if not (isinstance(text, str) and text.isascii() and text.isprintable()):
        raise ValueError(f"{name}: {text!r}: expected printable ASCII characters")


def _text(name: str, value: Any) -> str:
    """Word an option.

    Raises:
        ValueError: it is a time without a zone.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} {value}: expected a time with its zone, or seconds from now")
        return value.isoformat()
    return str(value)


def encode(data: Any) -> bytes:
    """Return data as a body: bytes as they are, anything else as JSON.

    Raises:
        ValueError: it cannot be written so.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    try:
        return msgspec.json.encode(data)
    except (TypeError, msgspec.MsgspecError) as exc:
        raise ValueError(f"data cannot be sent as JSON: {exc}; bytes are sent as they are") from exc


def refuse_bad_name(endpoint: str) -> None:
    """Refuse what no endpoint is called.

    Raises:
        ValueError: it is no name.
    """
    if not is_name(endpoint):
        raise ValueError(f"endpoint {endpoint!r}: expected {NAME_RULE}")


def refuse_bad_id(request_id: str) -> None:
    """Refuse what no request is called.

    Raises:
        ValueError: it is no id.
    """
    if not is_request_id(request_id):
        raise ValueError(f"request_id {request_id!r}: expected {REQUEST_ID_RULE}")
