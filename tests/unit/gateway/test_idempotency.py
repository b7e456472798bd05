"""What a key is, what a repeat is, and what becomes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.idempotency import Asked, digest_of, is_refusal, judge
from mesh import wire
from mesh.errors import (
    AnswerUnknownError,
    BusError,
    BusTimeoutError,
    DeadlineExceededError,
    NotFoundError,
    NoWorkerError,
    QueueFullError,
    RequestError,
)
from mesh.records import ClaimRecord

ASKED = Asked(b"POST", "/score", b"application/json", b"", b"\0" * 32)
FIRST = ClaimRecord(fingerprint="f", request_id="r1", timeout_s=5.0)
OK = {wire.STATUS: "200"}


def failed(code: str) -> dict[str, str]:
    return {wire.STATUS: "500", wire.ERROR: code}


@given(st.binary(max_size=300))
def test_key_is_visible_ascii(key):
    """1 to 255 characters; all else is refused, naming the rule."""
    if 1 <= len(key) <= 255 and all(0x21 <= byte <= 0x7E for byte in key):
        assert len(digest_of(key)) == 64
    else:
        with pytest.raises(RequestError, match=r"Idempotency-Key: .*1-255 visible ASCII"):
            digest_of(key)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(ASKED._replace(method=b"GET"), id="method"),
        pytest.param(ASKED._replace(path="/score?a=1"), id="path"),
        pytest.param(ASKED._replace(content_type=b""), id="content type"),
        pytest.param(ASKED._replace(deployment=b"blue"), id="deployment"),
        pytest.param(ASKED._replace(body=b"\1" * 32), id="body"),
        pytest.param(ASKED._replace(path="", content_type=b"/score"), id="no mixing"),
    ],
)
def test_each_part_tells_requests_apart(other):
    """And nothing else does."""
    assert ASKED.fingerprint == ASKED._replace().fingerprint
    assert other.fingerprint != ASKED.fingerprint


@pytest.mark.parametrize(
    ("wanted", "result", "is_queued", "is_over", "expected"),
    [
        pytest.param({}, OK, False, False, "answer", id="answered"),
        pytest.param({}, OK, False, True, "answer", id="answered late"),
        pytest.param({}, failed("model_error"), False, False, "answer", id="model error"),
        pytest.param({}, failed("poison"), False, False, "answer", id="poison"),
        pytest.param({}, failed("cancelled"), False, False, "anew", id="cancelled"),
        pytest.param({}, failed("deadline_exceeded"), False, False, "anew", id="expired"),
        pytest.param({}, failed("not_found"), False, False, "anew", id="refused"),
        pytest.param({}, None, False, False, "wait", id="under way"),
        pytest.param({}, None, False, True, "again", id="out of time"),
        pytest.param({}, None, True, True, "answer", id="queued"),
        pytest.param({"fingerprint": "g"}, None, False, True, "reused", id="another"),
        pytest.param({"fingerprint": "g"}, OK, False, False, "reused", id="another, answered"),
        pytest.param({"queued": True}, OK, False, False, "reused", id="another way"),
        pytest.param({"fingerprint": "g"}, failed("cancelled"), False, False, "anew", id="free"),
    ],
)
def test_verdict(wanted, result, is_queued, is_over, expected):
    """What stands under the key, its result and the time decide."""
    given_ = {"fingerprint": "f", "request_id": "r2", "timeout_s": 5.0} | wanted

    verdict = judge(FIRST, ClaimRecord(**given_), result, is_queued=is_queued, is_over=is_over)

    assert verdict == expected


@pytest.mark.parametrize(
    ("error", "waiting", "queued"),
    [
        (QueueFullError(), True, True),
        (NotFoundError(), True, True),
        (NoWorkerError(), True, True),
        (BusError(), True, False),
        (BusTimeoutError(), False, False),
        (DeadlineExceededError(), False, False),
        (AnswerUnknownError(), False, False),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_refusal_is_what_was_surely_not_queued(error, waiting, queued):
    """Silence is none; of a queued request only the lane's own word is."""
    assert is_refusal(error, queued=False) is waiting
    assert is_refusal(error, queued=True) is queued
