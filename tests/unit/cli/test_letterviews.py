"""How dead letters are laid out."""

from rich.console import Console

from mesh.api import LetterView
from mesh.cli.letterviews import age_text, letter_list


def letter(**changes):
    known = {
        "number": 7,
        "kind": "request",
        "endpoint_name": "iris",
        "deployment": "blue",
        "lane": "interactive",
        "request_id": "r1",
        "reason": "its runner died 3 times: the runner was ended by SIGSEGV",
        "attempts": 3,
        "at_s": 40.0,
        "size_bytes": 10,
    }
    return LetterView(**(known | changes))


def lines_of(*letters, now_s=100.0):
    console = Console(width=10_000)
    with console.capture() as captured:
        console.print(letter_list(letters, now_s))
    return captured.get().splitlines()


def test_a_row_tells_what_was_given_up_and_why():
    """Number, age, whose, lane, attempts, size, reason."""
    _, row = lines_of(letter())

    assert row.split()[:8] == ["7", "1m", "iris", "blue", "interactive", "3", "10", "B"]
    assert "its runner died 3 times" in row


def test_the_list_is_no_wider_than_a_hundred_columns():
    """A long reason is cut; it may be a traceback of many lines."""
    lines = lines_of(letter(reason="x" * 500 + "\nmore"), letter(number=123_456, lane="queued"))

    assert max(len(line.rstrip()) for line in lines) <= 100
    assert lines[1].rstrip().endswith("...")


def test_an_age_is_told_in_its_largest_unit():
    """A clock that runs ahead makes no negative age."""
    ages = [age_text(seconds) for seconds in (-3, 0.4, 59, 61, 7300, 200_000)]

    assert ages == ["0s", "0s", "59s", "1m", "2h", "2d"]
