"""How a request ends whose runner died with it."""

import pytest

from mesh.settle import Again, Dead, settle_crash


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
