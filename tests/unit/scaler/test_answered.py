"""How fast deployments answered lately."""

import pytest

from mesh.tally import LATENCY_BUCKETS_S, Histogram
from mesh.wire import GatewayHeartbeat
from scaler.answered import answered
from scaler.offered import Offered


def beat(gateway, *latencies_s):
    histogram = Histogram()
    for latency_s in latencies_s:
        histogram.observe(latency_s)
    return GatewayHeartbeat(gateway=gateway, revision=1, latency={"iris/blue": histogram.counts})


def heard(*beats):
    """What has grown when each of these was said a second after the one before."""
    offered = Offered()
    for at_s, said in enumerate(beats):
        offered.hear(said, float(at_s))
    return offered.grown(float(len(beats) - 1))


def test_what_was_answered_before_counts_no_more():
    """Only the growth in between is told: 4 requests in 2 s."""
    old = (5.0,) * 100

    lately = answered(
        heard(beat("g", *old), beat("g", *old), beat("g", *old, *[0.02] * 4)), "iris/blue"
    )

    assert lately.per_s == pytest.approx(2.0)
    assert all(0.01 < latency_s <= 0.025 for latency_s in lately.latency_s.values())


def test_percentiles_are_of_all_gateways():
    """90 fast ones and 10 slow ones, each from another gateway."""
    offered = Offered()
    for at_s, fast, slow in ((0.0, (), ()), (1.0, (0.02,) * 90, (2.0,) * 10)):
        offered.hear(beat("fast", *fast), at_s)
        offered.hear(beat("slow", *slow), at_s)

    latency_s = answered(offered.grown(1.0), "iris/blue").latency_s

    assert latency_s[90] == pytest.approx(0.025)
    assert 1.0 < latency_s[95] < latency_s[99] <= 2.5


def test_within_a_bucket_values_are_spread_evenly():
    """As Prometheus's histogram_quantile has it."""
    latency_s = answered(heard(beat("g"), beat("g", *[0.3] * 10)), "iris/blue").latency_s

    assert latency_s[50] == pytest.approx(0.375)


def test_the_mean_takes_each_request_for_the_middle_of_its_bucket():
    """Between 0.25 and 0.5 s, and between 1 and 2.5 s; none without requests."""
    lately = answered(heard(beat("g"), beat("g", 0.3, 0.4, 2.0)), "iris/blue")
    idle = answered(heard(beat("g", 0.3), beat("g", 0.3)), "iris/blue")

    assert lately.mean_s == pytest.approx((0.375 + 0.375 + 1.75) / 3)
    assert idle.mean_s is None


def test_what_takes_longer_than_every_bucket_counts_as_the_last_bound():
    """There is no upper bound to interpolate to."""
    latency_s = answered(heard(beat("g"), beat("g", 1000.0)), "iris/blue").latency_s

    assert latency_s[50] == LATENCY_BUCKETS_S[-1]


def test_no_answers_have_a_rate_and_no_latency():
    """Nothing was answered: that is known."""
    assert answered(heard(beat("g"), beat("g")), "iris/blue") == (0.0, {}, None)


@pytest.mark.parametrize(
    "said",
    [
        GatewayHeartbeat(gateway="g", revision=1),
        GatewayHeartbeat(gateway="g", revision=1, latency={"iris/blue": [1, 2, 3]}),
    ],
    ids=["older gateway", "other buckets"],
)
def test_who_does_not_tell_is_not_zero(said):
    """A gateway of another release leaves it unknown."""
    assert answered(heard(said, said), "iris/blue") is None
