"""Keeping a program alive: the back-off, and the words for an end."""

import signal

import pytest

from mesh.embedded.child import back_off_s, why
from mesh.settings import SupervisorSettings

LIMITS = SupervisorSettings(restart_min_s=0.2, restart_max_s=10.0)


@pytest.mark.parametrize(("ends", "wait_s"), [(1, 0.2), (2, 0.4), (3, 0.8), (7, 10.0), (999, 10.0)])
def test_the_back_off_doubles_up_to_its_limit(ends, wait_s):
    """A program that fails at once does not use up the machine."""
    assert back_off_s(ends, LIMITS) == pytest.approx(wait_s)


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "exit code 3"), (-signal.SIGKILL, "signal SIGKILL"), (-63, "signal 63")],
)
def test_an_end_is_told_in_words(code, words):
    """People read signals by name."""
    assert why(code) == words
