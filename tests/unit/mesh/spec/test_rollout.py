"""How many instances a rollout may add and take away, as Kubernetes rounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.spec.deployment import CodeConfiguration, DeploymentSpec, MeshOptions
from mesh.spec.rollout import RolloutOptions, rollout_violations

AMOUNTS = st.integers(0, 60) | st.integers(0, 100).map("{}%".format)


@pytest.mark.parametrize(
    ("options", "count", "surge", "unavailable"),
    [
        pytest.param({}, 1, 1, 0, id="a fifth, at least one"),
        pytest.param({}, 10, 2, 0, id="a fifth"),
        pytest.param({}, 11, 3, 0, id="surge is rounded up"),
        pytest.param({"max_unavailable": "25%"}, 7, 2, 1, id="unavailable is rounded down"),
        pytest.param({"max_surge": 0, "max_unavailable": "25%"}, 3, 0, 1, id="never both none"),
        pytest.param({"max_surge": 0, "max_unavailable": 9}, 4, 0, 4, id="no more than there are"),
        pytest.param({"max_surge": "100%"}, 4, 4, 0, id="all beside the old"),
    ],
)
def test_the_size_of_a_wave(options, count, surge, unavailable):
    """Numbers as they are, percentages of the count."""
    rollout = RolloutOptions(**options)

    assert (rollout.surge(count), rollout.unavailable(count)) == (surge, unavailable)


@given(AMOUNTS, AMOUNTS, st.integers(1, 60))
def test_a_rollout_can_always_go_on(surge, unavailable, count):
    """At least one instance can be added or taken away, and never more than there are."""
    rollout = RolloutOptions(max_surge=surge, max_unavailable=unavailable)

    assert rollout.surge(count) + rollout.unavailable(count) >= 1
    assert 0 <= rollout.unavailable(count) <= count


@pytest.mark.parametrize(
    ("options", "key", "rule"),
    [
        ({"max_surge": -1}, "max_surge", "must be a whole number of instances, or a percentage"),
        ({"max_surge": "a fifth"}, "max_surge", "or a percentage such as 20%"),
        ({"max_unavailable": "1.5%"}, "max_unavailable", "or a percentage such as 20%"),
        ({"max_unavailable": "101%"}, "max_unavailable", "must be at most 100%"),
        ({"max_surge": 0}, "max_unavailable", "must not be 0 while max_surge is 0"),
        ({"max_surge": "0%", "max_unavailable": "0%"}, "max_unavailable", "nothing could be"),
    ],
)
def test_what_cannot_be(options, key, rule):
    """Each names the key and the rule."""
    spec = DeploymentSpec(
        name="blue",
        endpoint_name="iris",
        code_configuration=CodeConfiguration(code="src", scoring_script="score.py"),
        mesh=MeshOptions(rollout=RolloutOptions(**options)),
    )

    [violation] = rollout_violations(spec)

    assert violation.path == ("mesh", "rollout", key)
    assert rule in violation.rule
