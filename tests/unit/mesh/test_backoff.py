"""How long to wait before another try."""

import pytest

from mesh.backoff import backoff_s


@pytest.mark.parametrize(("failures", "wait_s"), [(1, 0.2), (2, 0.4), (3, 0.8), (7, 10), (999, 10)])
def test_backoff_doubles_up_to_its_limit(failures, wait_s):
    """What fails at once, again and again, does not use up the machine."""
    assert backoff_s(failures, 0.2, 10.0) == pytest.approx(wait_s)
