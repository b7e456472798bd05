"""Erlang's formula, by known values and by what must hold of any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.scaling.erlang import LARGE, servers_for

loads = st.floats(0, LARGE * 1.2)
turns = st.floats(0, 50)
shares = st.floats(0.0001, 0.5)


@pytest.mark.parametrize(
    ("servers", "load", "share"), [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (10, 8.0, 0.4092)]
)
def test_known_values(servers, load, share):
    """Of so many servers such a share waits, from tables; one is busy as often as it has work."""
    assert servers_for(load, 0.0, share + 1e-4) == servers
    assert servers_for(load, 0.0, share - 1e-4) == servers + 1


def test_a_wait_that_is_allowed_saves_servers():
    """Eight busy ones: 14 so that hardly a request waits, 10 if it may wait twice its time."""
    assert servers_for(8.0, 0.0, 0.05) == 14
    assert servers_for(8.0, 2.0, 0.05) == 10


@given(loads, turns, shares)
def test_servers_are_more_than_are_busy(load, turns, share):
    """Otherwise the queue would grow for ever."""
    assert servers_for(load, turns, share) > load


@given(loads, loads, turns, shares)
def test_more_load_never_needs_fewer(one, other, turns, share):
    """Beyond the size from which it is approximated too."""
    low, high = sorted((one, other))

    assert servers_for(low, turns, share) <= servers_for(high, turns, share)
