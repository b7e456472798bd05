"""How many requests a sync runner is handed ahead of time, and when it is started again."""

import pytest

from workers.pool import restart_delay_s
from workers.window import send_ahead, smooth


@pytest.mark.parametrize(
    ("mean_s", "ahead"),
    [
        pytest.param(0.0, 0, id="unknown"),
        pytest.param(0.000_001, 64, id="very quick"),
        pytest.param(0.000_1, 10, id="quick"),
        pytest.param(0.003, 1, id="middling"),
        pytest.param(0.1, 0, id="slow"),
    ],
)
def test_quick_scripts_are_handed_a_millisecond_of_work(mean_s: float, ahead: int):
    """A slow one is handed nothing: another runner may be free sooner."""
    assert send_ahead(mean_s) == ahead


def test_mean_starts_at_the_first_sample_and_follows():
    """The first sample counts in full, later ones pull the mean towards them."""
    assert smooth(0.0, 0.5) == 0.5
    assert 0.1 < smooth(0.1, 0.2) < 0.2


def test_restarts_are_delayed_more_each_time():
    """At once after the first crash, never more than the limit."""
    delays = [restart_delay_s(crashes) for crashes in range(1, 12)]

    assert delays[:4] == [0.0, 0.5, 1.0, 2.0]
    assert delays == sorted(delays)
    assert delays[-1] == 15.0
