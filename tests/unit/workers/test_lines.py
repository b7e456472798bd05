"""Console bytes cut into lines."""

from hypothesis import given
from hypothesis import strategies as st

from workers.console import LineCutter

PRINTED = b"\x1eid-1\x1eone\nfrom C\n\x1eid-2\x1e\n\x1eid-2\x1e" + "ü".encode() * 5 + b"\nrest"
LINES = [("id-1", "one"), ("", "from C"), ("id-2", ""), ("id-2", "üüüüü"), ("", "rest")]


@given(st.lists(st.integers(1, 12), min_size=1))
def test_lines_survive_any_split(cuts: list[int]):
    """However the bytes arrive, the same lines with the same ids come out."""
    cutter, lines, at, turn = LineCutter(), [], 0, 0

    while at < len(PRINTED):
        size = cuts[turn % len(cuts)]
        lines += cutter.feed(PRINTED[at : at + size])
        at, turn = at + size, turn + 1

    assert lines + cutter.finish() == LINES


@given(st.lists(st.integers(1, 12), min_size=1))
def test_long_line_comes_in_pieces_of_one_request(cuts: list[int]):
    """No piece is over the limit, none is lost, and the next line starts anew."""
    cutter, lines, at, turn = LineCutter(limit_bytes=8), [], 0, 0
    printed = b"\x1eid\x1e" + b"0123456789" * 3 + b"\nnext\n"

    while at < len(printed):
        size = cuts[turn % len(cuts)]
        lines += cutter.feed(printed[at : at + size])
        at, turn = at + size, turn + 1

    assert "".join(text for request_id, text in lines if request_id == "id") == "0123456789" * 3
    assert max(len(text) for _, text in lines) <= 8
    assert lines[-1] == ("", "next")


def test_line_behind_an_open_line_of_c_code_is_its_own():
    """C code that ends no line does not take the script's line with it."""
    assert LineCutter().feed(b"50% \x1eid\x1ehello\n") == [("", "50% "), ("id", "hello")]
