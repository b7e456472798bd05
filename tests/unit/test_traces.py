"""The shipped traces are what their script writes."""

from collections.abc import Callable

import pytest

from scripts import traces


@pytest.mark.parametrize("make", traces.ABOUT, ids=lambda make: make.__name__)
def test_trace_is_what_the_script_writes(make: Callable[..., traces.Rates]) -> None:
    """Nobody edits a trace by hand, and the same seed makes the same bytes."""
    file = traces.FOLDER / f"{make.__name__}.csv"

    assert file.read_text(encoding="utf-8") == traces.text_of(make)
