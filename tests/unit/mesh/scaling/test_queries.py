"""What values of Prometheus ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.scaling.autoscaler import Autoscaler
from mesh.scaling.observation import Observation
from mesh.scaling.queries import Query
from mesh.spec.queries import QuerySettings
from mesh.spec.scale import ScaleSettings


def asked(value, target=2.0, activation=0.0, current=3):
    query = QuerySettings(name="load", query="sum(load)", target=target, activation=activation)
    queries = {} if value is None else {"load": value}
    seen = Observation(current=current, queries=queries)
    return [one.count for one in Query(query, 5.0).ask(seen, 0.0)]


@pytest.mark.parametrize(
    ("value", "target", "count"),
    [(5.0, 2.0, 3), (4.0, 2.0, 2), (0.1, 2.0, 1), (1.1, 0.1, 11), (1e300, 1e-9, 1_000_000)],
)
def test_one_instance_for_so_much_of_a_value(value, target, count):
    """Rounded up, and not by what floats make of it."""
    assert asked(value, target) == [count]


@pytest.mark.parametrize(("value", "counts"), [(50.0, []), (51.0, [6]), (-1.0, []), (0.0, [])])
def test_a_value_that_is_not_above_the_activation_asks_for_nothing(value, counts):
    """As KEDA: activation comes first, whatever the target would need."""
    activation = 50.0 if value >= 50 else 0.0

    assert asked(value, 10.0, activation) == counts


def test_no_value_is_not_zero():
    """As many as now."""
    assert asked(None, current=3) == [3]


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(1e-6, 1e6))
def test_more_of_a_value_never_asks_for_less(value, target):
    """Monotone, and a count that fits into a message."""
    one, more = asked(value, target), asked(value * 2 if value > 0 else value / 2, target)

    assert (one or [0])[0] <= (more or [0])[0] < 2**31


def test_queries_alone_decide_where_nothing_else_is_set():
    """They are a target: the utilization is none then."""
    query = QuerySettings(name="load", query="sum(load)", target=1.0)
    scale = ScaleSettings(type="target_utilization", max_instances=9, queries=[query])

    decision = Autoscaler(scale).decide(
        Observation(current=1, depth=90, queries={"load": 4.0}), 0.0
    )

    assert (decision.count, decision.counts["query:load"]) == (4, 4)
    assert "utilization" not in decision.counts
    assert decision.reason == "query load is 4, 1 per instance, need 4"
