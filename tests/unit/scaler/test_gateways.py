"""Which gateways are waited for, by a clock of the test's own."""

import asyncio

from mesh.wire import GatewayHeartbeat
from scaler.gateways import FIRST_BEATS_S, FORGET_S, LIVE_S, Gateways


class Clock:
    """A clock that stands still."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def beat(gateway, revision, **changes):
    return GatewayHeartbeat(gateway=gateway, revision=revision, url=f"http://{gateway}", **changes)


def settled():
    clock = Clock()
    gateways = Gateways(clock)
    clock.now_s += FIRST_BEATS_S
    return clock, gateways


def test_live_gateways_spoke_lately_and_are_not_leaving():
    """Who has been silent for three seconds, or says it leaves, does not count."""
    clock, gateways = settled()
    gateways.hear(beat("a", 1))
    clock.now_s += LIVE_S + 0.1
    gateways.hear(beat("b", 1))
    gateways.hear(beat("c", 1))
    gateways.hear(beat("c", 1, leaving=True))

    assert [said.gateway for said in gateways.live()] == ["b"]


async def test_caught_up_waits_for_the_last_one():
    """The wait ends with the heartbeat of the slowest."""
    _, gateways = settled()
    gateways.hear(beat("a", 7))
    gateways.hear(beat("b", 6))

    waiting = asyncio.create_task(gateways.caught_up(7, 5.0))
    await asyncio.sleep(0)
    gateways.hear(beat("b", 7))

    assert await waiting == []


async def test_caught_up_names_who_is_behind_at_the_deadline():
    """The wait is bounded."""
    clock, gateways = settled()
    gateways.hear(beat("a", 7))
    gateways.hear(beat("b", 6))

    waiting = asyncio.create_task(gateways.caught_up(7, 2.0))
    await asyncio.sleep(0)
    clock.now_s += 2.0
    gateways.hear(beat("a", 7))

    assert await waiting == ["b"]


async def test_caught_up_does_not_trust_an_empty_list_at_first():
    """Just after the start nobody has had time to speak: wait for it."""
    clock = Clock()
    gateways = Gateways(clock)

    waiting = asyncio.create_task(gateways.caught_up(7, 5.0))
    await asyncio.sleep(0)
    gateways.hear(beat("a", 6))
    await asyncio.sleep(0)
    clock.now_s += FIRST_BEATS_S

    assert not waiting.done()
    gateways.hear(beat("a", 7))
    assert await waiting == []


def test_known_gateways_live_on_after_an_outage():
    """After the broker was away, those known before are waited for until they had time to speak."""
    clock, gateways = settled()
    gateways.hear(beat("a", 6))
    clock.now_s += 10

    gateways.note_connected()

    assert gateways.behind(7) == ["a"]
    assert not gateways.is_settled()


def test_long_silent_gateways_are_forgotten():
    """Memory does not grow with gateways that are gone."""
    clock, gateways = settled()
    gateways.hear(beat("a", 6))
    clock.now_s += FORGET_S + 1

    gateways.expire()
    gateways.note_connected()

    assert gateways.live() == []
