"""Admission: what could not be answered in time is refused before it is queued."""

import json

import pytest

from mesh import streams, subjects, wire
from mesh.figures import ServiceTime


async def tell(mesh, waiting, **changes):
    """Tell the gateway of a queue, as the scaler does: four slots of 20 ms."""
    known = {
        "lanes": {"interactive": waiting},
        "ready": 1,
        "slots": 4,
        "service": ServiceTime(mean_s=0.02, slot_s=0.02, answered=9),
        "gateways": 1,
    }
    depth = wire.Depth(endpoint=mesh.endpoint, deployment="blue", **known | changes)
    await mesh.bus.publish(subjects.depth(mesh.endpoint, "blue"), wire.encode(depth))


async def refusal(mesh, **headers):
    """Ask until the gateway has heard of the queue; what it let in until then is answered."""
    while (answer := await mesh.score(**headers)).status == 200:
        pass
    return answer


async def test_what_would_be_late_is_refused_at_once(mesh):
    """429 says why, and when to come back: 1200 of 200/s are 6 s, the deadline is 5."""
    await mesh.work("blue")
    await tell(mesh, 1200)

    answer = await refusal(mesh)

    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (429, "capacity")
    assert answer.headers["retry-after"] == "2"


async def test_a_shorter_deadline_is_refused_earlier(mesh):
    """Half a second of work is too much for 400 ms, and little for 5 s."""
    await mesh.work("blue")
    await tell(mesh, 100)

    late = await refusal(mesh, **{"x-ms-request-timeout-ms": "400"})
    assert late.status == 429
    assert (await mesh.score()).status == 200


async def test_queued_requests_may_wait(mesh):
    """They have hours, and a lane of their own."""
    await mesh.work("blue")
    await tell(mesh, 1200)
    await refusal(mesh)

    assert (await mesh.score(prefer="respond-async")).status == 202


@pytest.mark.parametrize(("admission", "expected"), [("none", 200), ("inflight", 429)])
async def test_the_deployment_chooses_the_rule(mesh, admission, expected):
    """Nine in flight of four slots are too many for Azure's rule; none refuses nobody."""
    await mesh.deploy("blue", admission=admission)
    await mesh.work("blue")
    waiting = 9 if admission == "inflight" else 100_000
    while (answer := await told(mesh, waiting)).status != expected:
        pass

    assert answer.status == expected


async def told(mesh, waiting):
    await tell(mesh, waiting)
    return await mesh.score()


async def test_refusals_count_as_offered(mesh):
    """So that the scaler sees them; nothing of them is queued."""
    await tell(mesh, 1200, ready=0, slots=0, startup_s=9.0)
    let_in = 0
    while (answer := await mesh.score(**{"request-timeout": "1"})).status != 429:
        let_in += answer.status != 503  # before the gateway has heard of it

    said = await mesh.beats.next()
    while not said.offered.get(f"{mesh.endpoint}/blue", {}).get("refused"):
        said = await mesh.beats.next()
    assert "waiting for an instance to start" in answer.body.decode()
    assert sum(said.latency[f"{mesh.endpoint}/blue"]) == let_in  # a refusal is no latency
    assert int(answer.headers["retry-after"]) == 9


async def test_a_full_lane_says_how_long_it_is(mesh):
    """What was let in in vain would only find it as full a second later."""
    await mesh.deploy("blue", max_messages=1, admission="none")
    await streams.store(mesh.bus, subjects.work(mesh.endpoint, "blue", "interactive"), b"{}")
    await tell(mesh, 1200)
    answer = await mesh.score()
    while answer.headers["retry-after"] == "1":
        answer = await mesh.score()

    assert (answer.status, answer.headers["retry-after"]) == (429, "6")
