"""Which lane a worker serves when, from a real queue: what docs/behavior.md promises of lanes."""

import pytest

from mesh.bus import Bus
from mesh.spec.options import QueueOptions
from mesh.streams import consumer_info, ensure_queue, ensure_topology
from mesh.subjects import LANES, Lane
from tests.integration.test_consume import STREAM, Stage
from workers.policy import SHARE_EVERY

SLOTS = 2
ROUND_TRIPS = 5
# Beyond its turn a queued request waits for what is in hand: the slots and what was fetched ahead.
IN_HAND = 2 * SLOTS + 2


@pytest.fixture
async def stage(server):
    """A worker's consumer, on a server of the test's own; nothing runs until `is_ready` is set."""
    bus = await Bus.connect(server.url, name="test")
    await ensure_topology(bus)
    await ensure_queue(bus, "iris", "blue", QueueOptions(), 60.0)
    stage = Stage(bus, SLOTS)
    stage.is_ready = False
    await stage.set_up()
    yield stage
    await stage.tear_down()
    await bus.close()


async def fill(stage, lane: Lane, count: int):
    """Put requests on a lane, numbered from a hundred of its own on."""
    first = 1000 * (1 + LANES.index(lane))
    for number in range(first, first + count):
        fields = {"Mesh_Timeout_Ms": "60000"} | (
            {"Mesh_Shadow_Of": "x"} if lane == "shadow" else {}
        )
        reply = {} if lane in ("interactive", "shadow") else {"Mesh_Reply": ""}
        await stage.send(number, lane=lane, **fields | reply)
    await stage.bus.flush()


def lanes_of(stage) -> list[Lane]:
    """In which order the lanes came to run."""
    return [LANES[int(bytes(request.body)) // 1000 - 1] for request in stage.given]


async def run_all(stage, count: int):
    """Let so many requests run, every slot taken; a run takes longer than the broker's answers."""
    for index in range(count):
        begun = min(index + SLOTS, count)
        await stage.until(lambda begun=begun: len(stage.given) >= begun)
        for _ in range(ROUND_TRIPS):
            await consumer_info(stage.bus, STREAM, "queued")
        stage.answer(index)


def longest_gap(lanes: list[Lane], lane: Lane) -> int:
    """How many others ran in a row before one of this lane, while there were some."""
    at = [index for index, each in enumerate(lanes) if each == lane]
    return max(after - before - 1 for before, after in zip([-1, *at], at, strict=False))


async def test_queued_ones_have_their_share_under_full_load(stage):
    """However many callers wait, one in ten is a queued one, give or take what is in hand."""
    await fill(stage, "interactive", 200)
    await fill(stage, "queued", 8)
    stage.is_ready = True

    await run_all(stage, 208)

    order = lanes_of(stage)
    assert longest_gap(order, "queued") <= SHARE_EVERY + IN_HAND
    assert order[:50].count("queued") <= 50 // SHARE_EVERY + 1


async def test_low_priority_and_copies_have_no_share(stage):
    """They run after all whose callers wait and all that is queued, copies last."""
    await fill(stage, "shadow", 4)
    await fill(stage, "background", 4)
    await fill(stage, "queued", 4)
    await fill(stage, "interactive", 60)
    stage.is_ready = True

    await run_all(stage, 72)

    order = lanes_of(stage)
    assert set(order[-8:-4]) == {"background"}
    assert set(order[-4:]) == {"shadow"}


async def test_low_priority_runs_beside_callers_who_leave_a_slot(stage):
    """It needs no silence: a slot that is spare while nothing is queued is enough."""
    await fill(stage, "background", 1)
    await fill(stage, "interactive", 1)
    stage.is_ready = True

    await stage.until(lambda: len(stage.given) == SLOTS)

    assert lanes_of(stage) == ["interactive", "background"]
