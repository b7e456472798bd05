"""What an idempotency key is, what a request is told apart by, and what becomes of a repeat.

Ring: decisions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from mesh import wire
from mesh.errors import BusError, BusTimeoutError, CapacityError, MeshError, RequestError
from mesh.records import ClaimRecord
from mesh.statuses import status_of

KEY: Final = b"idempotency-key"
KEY_RULE: Final = "1-255 visible ASCII characters"
SUBMIT_S: Final = 10.0  # within which a request is queued, or its gateway has ended

Verdict = Literal["reused", "answer", "anew", "again", "wait"]

_KEY: Final = re.compile(rb"[\x21-\x7e]{1,255}")


def digest_of(key: bytes) -> str:
    """Return what an endpoint's key is kept under.

    Raises:
        RequestError: it is no key.
    """
    if _KEY.fullmatch(key) is None:
        text = key[:40].decode("latin-1")
        raise RequestError(f"Idempotency-Key: {text!r}: expected {KEY_RULE}")
    return hashlib.sha256(key).hexdigest()


class Asked(NamedTuple):
    """What makes two requests the same one; `body` is the body's SHA-256."""

    method: bytes
    path: str
    content_type: bytes
    deployment: bytes
    body: bytes

    @property
    def fingerprint(self) -> str:
        """The digest of it all."""
        head = (self.method, self.path.encode(), self.content_type, self.deployment)
        return hashlib.sha256(b"\n".join((*head, self.body))).hexdigest()


def judge(
    record: ClaimRecord,
    wanted: ClaimRecord,
    result: Mapping[str, str] | None,
    *,
    is_queued: bool,
    is_over: bool,
) -> Verdict:
    """Decide what becomes of a request whose key is taken.

    Args:
        record: what stands under the key.
        wanted: what this request would write there.
        result: the headers of the result of the first request, None if there is none.
        is_queued: whether the first one is known to be queued.
        is_over: whether its time is over.

    Returns:
        "reused": the key stands for another request; "answer": the first one's answer is this
        one's; "anew": the first one has ended without one, it is as if there had been none;
        "again": nobody knows what became of it, it may be run under its own id; "wait".
    """
    if result is not None and not is_final(result):
        return "anew"
    if (record.fingerprint, record.queued) != (wanted.fingerprint, wanted.queued):
        return "reused"
    if result is not None or is_queued:
        return "answer"
    return "again" if is_over else "wait"


def is_final(result: Mapping[str, str]) -> bool:
    """Tell whether a result is the model's, its errors included: it is what a repeat gets.

    Others say that the request was refused, cancelled, or not run in time.
    """
    code = result.get(wire.ERROR, "")
    return not code or status_of(code) == 424


def is_refusal(error: MeshError, *, queued: bool) -> bool:
    """Tell whether an error says for sure that the request was not queued."""
    if isinstance(error, BusError):  # a queued request's may be about what comes after that
        return not queued and not isinstance(error, BusTimeoutError)
    return isinstance(error, RequestError | CapacityError)
