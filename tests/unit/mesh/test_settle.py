"""How a request ends whose runner died with it, or whose model failed it."""

import pytest

from mesh.settle import Again, Dead, settle_crash, settle_error
from mesh.spec.options import RetryOptions


@pytest.mark.parametrize(
    ("attempt", "limit", "expected"),
    [
        pytest.param(1, 3, Again(2), id="first of three: again"),
        pytest.param(2, 3, Again(3), id="second of three: again"),
        pytest.param(3, 3, Dead("its runner died 3 times: signal 11", 3), id="third: given up"),
        pytest.param(1, 1, Dead("its runner died 1 times: signal 11", 1), id="no second chance"),
    ],
)
def test_attempts_are_counted_to_the_limit(attempt, limit, expected):
    """Exactly `max_attempts` starts."""
    assert settle_crash(attempt, limit, "signal 11") == expected


@pytest.mark.parametrize(
    ("errors", "status", "left_s", "expected"),
    [
        pytest.param(1, 500, 60.0, 2.0, id="after the first error"),
        pytest.param(2, 599, 60.0, 4.0, id="doubled"),
        pytest.param(3, 500, 60.0, 5.0, id="at most the longest"),
        pytest.param(4, 500, 60.0, None, id="no run is left"),
        pytest.param(1, 418, 60.0, None, id="not a status that is tried again"),
        pytest.param(1, 500, 2.0, None, id="it would be too late"),
    ],
)
def test_errors_are_tried_again_as_the_options_say(errors, status, left_s, expected):
    """Without statuses those from 500 on are meant."""
    options = RetryOptions(max_attempts=4, initial_delay_s=2, max_delay_s=5)

    assert settle_error(options, errors, status, left_s) == expected


def test_statuses_replace_those_from_500_on():
    """Only what is listed is tried again."""
    options = RetryOptions(max_attempts=2, statuses=[429])

    assert settle_error(options, 1, 429, 60.0) == 1.0
    assert settle_error(options, 1, 500, 60.0) is None
