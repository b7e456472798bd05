"""Which GPU an instance gets."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mesh.gpus import Gpu
from scaler.launchers.assignment import least_loaded

GPUS = [Gpu(index, f"GPU-{index}", "A100") for index in range(4)]
some = st.integers(1, 4).map(lambda count: GPUS[:count])
taken = st.lists(st.sampled_from(["", "GPU-gone", *(gpu.uuid for gpu in GPUS)]))


@given(some, taken)
def test_nobody_has_fewer_instances(gpus, given_away):
    """The chosen one has the fewest, and is the first of those that have as few."""
    chosen = least_loaded(gpus, given_away)

    load = Counter(given_away)
    assert next(gpu for gpu in gpus if load[gpu.uuid] <= load[chosen.uuid]) == chosen
    assert load[chosen.uuid] == min(load[gpu.uuid] for gpu in gpus)


@given(some, st.integers(0, 20))
def test_many_starts_are_spread_evenly(gpus, count):
    """However many are started one after another, no GPU has two more than another."""
    given_away = []
    for _ in range(count):
        given_away.append(least_loaded(gpus, given_away).uuid)

    loads = [given_away.count(gpu.uuid) for gpu in gpus]
    assert max(loads) - min(loads) <= 1
