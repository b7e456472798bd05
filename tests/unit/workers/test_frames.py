"""The frames between supervisor and runner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.runner import frames
from workers.runner.frames import HEADER, Decoder, FrameError, pack_fields, unpack_fields

frame = st.tuples(
    st.sampled_from(sorted(frames.KINDS)),
    st.integers(0, 255),
    st.integers(0, 65535),
    st.integers(0, frames.MICROS_LIMIT),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=40),
    st.binary(max_size=200),
)


def encode(one: frames.Frame) -> bytes:
    kind, flags, status, micros, number, meta, body = one
    return HEADER.pack(kind, flags, status, len(meta), len(body), micros, number) + meta + body


@given(st.lists(frame, max_size=6), st.lists(st.integers(1, 60), min_size=1))
def test_frames_survive_any_split(sent: list[frames.Frame], cuts: list[int]):
    """However the bytes arrive, the same frames come out."""
    data, decoder = b"".join(map(encode, sent)), Decoder()

    received, at, turn = [], 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        received += decoder.feed(data[at : at + size])
        at, turn = at + size, turn + 1

    assert received == sent


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_fields_survive(fields: list[bytes]):
    """Fields may hold any bytes."""
    assert unpack_fields(pack_fields(*fields), len(fields)) == fields


@pytest.mark.parametrize("meta", [b"\x01", b"\x05\x00\x00\x00ab", pack_fields(b"a", b"b")])
def test_meta_that_is_not_one_field_is_refused(meta: bytes):
    """Lengths must add up to the meta and to the number of fields."""
    with pytest.raises(FrameError):
        unpack_fields(meta, 1)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(HEADER.pack(99, 0, 0, 0, 0, 0, 0), id="kind"),
        pytest.param(HEADER.pack(1, 0, 0, 0, 1001, 0, 0), id="body"),
        pytest.param(HEADER.pack(1, 0, 0, frames.META_LIMIT_BYTES + 1, 0, 0, 0), id="meta"),
    ],
)
def test_header_over_a_limit_is_refused(header: bytes):
    """Before anything is allocated for it."""
    with pytest.raises(FrameError):
        Decoder(body_limit_bytes=1000).feed(header)
