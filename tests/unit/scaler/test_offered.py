"""What deployments are offered, from what gateways count."""

import pytest

from mesh.wire import GatewayHeartbeat
from scaler.offered import Offered


def beat(gateway="g1", accepted=0, refused=0, **more):
    counts = {"accepted": accepted, "refused": refused, "timed_out": 0}
    return GatewayHeartbeat(gateway=gateway, revision=1, offered={"iris/blue": counts}, **more)


def test_nothing_is_known_from_one_look():
    """A gateway's first count may be of a day."""
    offered = Offered()
    offered.hear(beat(accepted=1000), 0.0)

    assert offered.rates("iris", "blue", 0.5) is None


def test_rates_are_the_sum_of_all_gateways():
    """Accepted, refused and timed out are all offered."""
    offered = Offered()
    for at_s in (0.0, 1.0, 2.0):
        offered.hear(beat("g1", accepted=int(100 * at_s), refused=int(50 * at_s)), at_s)
        offered.hear(beat("g2", accepted=int(10 * at_s)), at_s)

    rates = offered.rates("iris", "blue", 2.1)
    assert rates == pytest.approx((160.0, 50.0))


def test_only_the_last_seconds_count():
    """A burst a while ago asks for nothing now."""
    offered = Offered()
    for at_s, count in ((0.0, 0), (1.0, 900), (2.0, 900), (3.0, 900), (4.0, 900), (5.0, 900)):
        offered.hear(beat(accepted=count), at_s)

    assert offered.rates("iris", "blue", 5.0) == (0.0, 0.0)


def test_who_leaves_or_falls_silent_counts_no_more():
    """A gateway that was killed says nothing."""
    offered = Offered()
    for at_s in (0.0, 1.0):
        offered.hear(beat("g1", refused=int(100 * at_s)), at_s)
        offered.hear(beat("g2", refused=int(100 * at_s)), at_s)
    offered.hear(beat("g2", leaving=True), 1.1)

    assert offered.rates("iris", "blue", 1.2) == pytest.approx((100.0, 100.0))
    assert offered.rates("iris", "blue", 9.0) is None
    offered.retain([])
    assert repr(offered) == "<Offered gateways=0>"


def test_a_deployment_that_nobody_asks_for_is_offered_nothing():
    """It is not unknown."""
    offered = Offered()
    for at_s in (0.0, 1.0):
        offered.hear(beat(), at_s)

    assert offered.rates("iris", "green", 1.0) == (0.0, 0.0)
