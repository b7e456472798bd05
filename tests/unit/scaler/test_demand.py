"""What each slot of time brought, by what gateways count."""

from mesh.wire import GatewayHeartbeat
from scaler.forecast.demand import Demand


def beat(total, gateway="g", **more):
    counts = {"accepted": total, "refused": 0, "timed_out": 0}
    return GatewayHeartbeat(gateway=gateway, revision=1, offered={"iris/blue": counts}, **more)


def heard(*beats):
    """A demand, of slots of 10 s, that has heard these."""
    demand = Demand(slot_s=10.0)
    for at_s, said in beats:
        demand.hear(said, at_s)
    return demand


def test_a_slot_has_what_came_in_it():
    """What a gateway had counted before is not demand of now."""
    demand = heard(*[(at_s, beat(1000 + 5 * at_s)) for at_s in range(21)])

    first, second = demand.full(20.0)

    assert (first.start_s, first.heard_s, first.requests) == (0.0, 9.0, {"iris/blue": 45})
    assert (second.start_s, second.heard_s, second.requests) == (10.0, 10.0, {"iris/blue": 50})
    assert demand.full(29.0) == []


def test_gateways_are_added_and_heard_once():
    """Two gateways in the same seconds: their requests together, the seconds once."""
    demand = heard(
        (1.0, beat(0, "a")), (1.5, beat(0, "b")), (2.0, beat(3, "a")), (2.5, beat(4, "b"))
    )

    (slot,) = demand.rest()

    assert (slot.heard_s, slot.requests) == (1.5, {"iris/blue": 7})


def test_what_came_while_nobody_listened_is_in_no_slot():
    """The broker was away: who knows when they came."""
    demand = heard((0.0, beat(0)), (1.0, beat(1)), (8.0, beat(900)), (9.0, beat(902)))

    (slot,) = demand.rest()

    assert (slot.heard_s, slot.requests) == (2.0, {"iris/blue": 3})


def test_a_gateway_that_starts_again_has_no_negative_demand():
    """It counts from zero."""
    demand = heard((0.0, beat(500)), (1.0, beat(2)), (2.0, beat(5, leaving=True)))

    (slot,) = demand.rest()

    assert slot.requests == {"iris/blue": 3}
    assert repr(demand) == "<Demand gateways=0 full=0>"


def test_a_slot_in_which_nobody_spoke_is_none():
    """No data is not zero."""
    assert heard((0.0, beat(0)), (100.0, beat(9))).rest() == []
