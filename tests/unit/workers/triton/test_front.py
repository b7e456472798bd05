"""What the caller's headers say of a body, and what goes back with one."""

import gzip
import json
import zlib

import pytest

from workers.triton import front
from workers.triton.errors import V2Error
from workers.triton.inference import Worded


def test_headers_are_found_by_their_names_in_any_case() -> None:
    """No pairs, no headers."""
    assert front.read_headers(b'[["Content-Encoding", "gzip"]]') == {"content-encoding": "gzip"}
    assert front.read_headers(b"") == {}


def test_the_length_of_the_json_part_is_a_number_or_absent() -> None:
    """A header that is no number is the caller's mistake."""
    assert front.header_length({}) is None
    assert front.header_length({"inference-header-content-length": "12"}) == 12
    with pytest.raises(V2Error, match="'-1' is not a whole number"):
        front.header_length({"inference-header-content-length": "-1"})


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(b"body")), ("deflate", zlib.compress(b"body")), ("identity", b"body")],
    ids=["gzip", "deflate", "identity"],
)
def test_compressed_bodies_are_unpacked(encoding: str, packed: bytes) -> None:
    """The two kinds that tritonclient makes."""
    assert front.unpack(packed, encoding) == b"body"


@pytest.mark.parametrize(
    ("encoding", "packed", "status", "expected"),
    [
        pytest.param("br", b"body", 415, "must be gzip or deflate", id="kind"),
        pytest.param("gzip", b"body", 400, "the body is not gzip", id="broken"),
        pytest.param("gzip", gzip.compress(b"body")[:-1], 400, "is cut off", id="cut-off"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(
    encoding: str, packed: bytes, status: int, expected: str
) -> None:
    """With the status that fits."""
    with pytest.raises(V2Error, match=expected) as refused:
        front.unpack(packed, encoding)

    assert refused.value.status == status


def test_a_body_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the limit is ever unpacked."""
    monkeypatch.setattr(front, "UNPACKED_LIMIT_BYTES", 1000)

    with pytest.raises(V2Error, match="more than 1000 bytes"):
        front.unpack(gzip.compress(bytes(2000)), "gzip")


def test_binary_tensors_are_told_in_a_header() -> None:
    """Where the JSON ends; an answer that is JSON only needs none."""
    mixed = front.answer_of(Worded(b"{}xx", "application/octet-stream", 2))

    assert json.loads(mixed.headers) == [["Inference-Header-Content-Length", "2"]]
    assert front.answer_of(Worded(b"{}")).headers == b""
