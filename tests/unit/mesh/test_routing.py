import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.routing import Split, smooth_cycle

SPLITS = [
    pytest.param({"blue": 90, "green": 10}, id="90/10"),
    pytest.param({"blue": 97, "green": 3}, id="97/3"),
    pytest.param({"blue": 33, "green": 33, "red": 34}, id="thirds"),
    pytest.param({"a": 60, "b": 25, "c": 10, "d": 4, "e": 1}, id="five"),
]


@pytest.mark.parametrize("weights", SPLITS)
def test_period_holds_each_name_as_often_as_its_weight(weights):
    """One whole period is exactly the split, in its smallest terms."""
    cycle = smooth_cycle(weights)

    counts = Counter(cycle)
    assert {name: 100 * count / len(cycle) for name, count in counts.items()} == weights


def test_period_is_spread_evenly():
    """The rare name never comes in a bunch."""
    cycle = smooth_cycle({"blue": 80, "green": 20})

    assert cycle == ["blue", "blue", "green", "blue", "blue"]


@pytest.mark.parametrize("weights", SPLITS)
@pytest.mark.parametrize("gateways", [1, 2, 3, 4])
def test_split_over_gateways_is_within_half_a_point(weights, gateways):
    """1,000 requests through up to four gateways that know nothing of each other keep the split."""
    dice = random.Random(7)
    for _ in range(50):
        splits = [Split(weights, dice.random()) for _ in range(gateways)]

        counts = Counter(splits[number % gateways].pick() for number in range(1000))

        for name, weight in weights.items():
            assert abs(counts[name] / 10 - weight) <= 0.5


def test_split_is_unbiased_for_few_requests_each():
    """200 gateways with 10 requests each send the right share, though none sees a whole period."""
    dice = random.Random(11)
    splits = [Split({"blue": 90, "green": 10}, dice.random()) for _ in range(200)]

    counts = Counter(split.pick() for split in splits for _ in range(10))

    assert abs(counts["green"] - 200) < 30


def test_first_picks_are_unbiased():
    """Even a single request per gateway follows the weights: the phase is random."""
    dice = random.Random(13)

    counts = Counter(Split({"blue": 75, "green": 25}, dice.random()).pick() for _ in range(4000))

    assert abs(counts["green"] - 1000) < 120


def test_split_without_phase_is_reproducible():
    """Every gateway computes the same period."""
    assert smooth_cycle({"b": 1, "a": 1}) == smooth_cycle({"a": 1, "b": 1})


def test_names_without_weight_are_never_picked():
    """0 percent is the same as not being there."""
    split = Split({"blue": 100, "green": 0}, 0.99)

    assert {split.pick() for _ in range(10)} == {"blue"}


@given(st.binary(min_size=1, max_size=40))
def test_sticky_key_always_gets_the_same_name(key):
    """The choice depends on the key and the weights alone, not on the phase."""
    weights = {"blue": 50, "green": 50}

    assert Split(weights, 0.1).stick(key) == Split(weights, 0.9).stick(key)


def test_sticky_keys_hold_the_weights():
    """Over many keys the shares are those of the split."""
    split = Split({"blue": 80, "green": 15, "red": 5}, 0)

    counts = Counter(split.stick(b"user-%d" % number) for number in range(10_000))

    assert abs(counts["blue"] - 8000) < 150
    assert abs(counts["red"] - 500) < 100


def test_sticky_keys_leave_only_what_lost_weight():
    """When green grows at blue's cost, no key moves from green to blue."""
    before = Split({"blue": 90, "green": 10}, 0)
    after = Split({"blue": 50, "green": 50}, 0)
    keys = [b"%d" % number for number in range(2000)]

    moved = [(before.stick(key), after.stick(key)) for key in keys]

    assert ("green", "blue") not in moved
    assert ("blue", "green") in moved
