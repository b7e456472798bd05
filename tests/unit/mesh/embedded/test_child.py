"""Keeping a program alive: the words for an end."""

import signal

import pytest

from mesh.embedded.child import why


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "exit code 3"), (-signal.SIGKILL, "killed by SIGKILL"), (-63, "killed by signal 63")],
)
def test_an_end_is_told_in_words(code, words):
    """People read signals by name."""
    assert why(code) == words
