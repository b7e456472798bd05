"""`/endpoints/<endpoint>/requests/<id>`: states, waiting for the end, cancelling, lanes."""

import asyncio
import json

import msgspec
import pytest

from mesh import jobs, streams, subjects, wire
from mesh.records import JobRun

AUTH = {"authorization": "Bearer secret"}
DONE = {wire.STATUS: "200", wire.CONTENT_TYPE: "text/plain", wire.DEPLOYMENT: "blue"}


async def submit(mesh, **headers):
    """Queue a request; return its id and place."""
    answer = await mesh.score(prefer="respond-async", **headers)
    assert (answer.status, json.loads(answer.body)["state"]) == (202, "queued")
    return answer.headers["x-request-id"], answer.headers["location"]


async def ask(mesh, method, place, **headers):
    client = await mesh.client()
    return await client.ask(method, place, **AUTH | headers)


async def finish(mesh, request_id, body=b"done", headers=DONE):
    """Keep a result, as a worker does."""
    return await jobs.keep_result(mesh.bus, mesh.endpoint, request_id, body, headers)


async def depth(mesh, lane="queued"):
    """How much a lane of blue holds."""
    info = await streams.consumer_info(mesh.bus, f"WORK_{mesh.endpoint}_blue", lane)
    return info["num_pending"] + info["num_ack_pending"]


async def test_one_that_waits_says_how_many_are_before_it(mesh):
    """And until when it may wait; nobody knows yet how long that will be."""
    await submit(mesh)
    _, place = await submit(mesh)

    answer = await ask(mesh, "GET", place)

    told = json.loads(answer.body)
    assert (answer.status, answer.headers["mesh-job-state"]) == (202, "queued")
    assert (told["state"], told["position"], told["lane"]) == ("queued", 1, "queued")
    assert (told["deployment"], told["attempt"], told["estimated_wait_s"]) == ("blue", 0, None)
    assert told["submitted_at"] < told["expires_at"]


async def test_the_wait_is_estimated_from_what_the_queue_is_known_to_do(mesh):
    """Two before it, two slots, half a second each."""
    for _ in range(3):
        _, place = await submit(mesh)
    depth = wire.Depth(
        endpoint=mesh.endpoint,
        deployment="blue",
        lanes={},
        ready=1,
        slots=2,
        service=wire.ServiceTime(mean_s=0.5, answered=9),
    )
    await mesh.bus.publish(subjects.depth(mesh.endpoint, "blue"), wire.encode(depth))

    told = {}
    while told.get("estimated_wait_s") is None:
        told = json.loads((await ask(mesh, "GET", place)).body)
    assert told["estimated_wait_s"] == 0.5


async def test_one_that_runs_says_so(mesh):
    """With the attempt that counts."""
    request_id, place = await submit(mesh)
    run = JobRun(deployment="blue", lane="queued", seq=1, attempt=2, instance="i1")
    await streams.store(
        mesh.bus, subjects.job_run(mesh.endpoint, request_id), msgspec.json.encode(run)
    )

    told = json.loads((await ask(mesh, "GET", place)).body)

    assert (told["state"], told["attempt"], told["position"]) == ("running", 2, None)


async def test_waiting_ends_with_the_result(mesh):
    """The answer is what it would have been; no look at the broker in between."""
    request_id, place = await submit(mesh)
    waiting = asyncio.create_task(ask(mesh, "GET", place, prefer="wait=30"))
    await somebody_waits(mesh)

    await finish(mesh, request_id)

    answer = await waiting
    assert (answer.status, answer.body) == (200, b"done")
    assert answer.headers["mesh-job-state"] == "done"


async def somebody_waits(mesh):
    """Return once the gateway keeps a client waiting; the broker's answers are the clock."""
    while not mesh.gateway.waiting:
        await mesh.bus.flush()


async def test_waiting_has_a_limit(mesh):
    """Then it is told how far the request is, and what was applied."""
    _, place = await submit(mesh)

    answer = await ask(mesh, "GET", place, prefer="wait=0")

    assert (answer.status, answer.headers["preference-applied"]) == (202, "wait=0")


async def test_a_gateway_that_leaves_keeps_nobody_waiting(mesh):
    """Who waits is told how far the request is."""
    _, place = await submit(mesh)
    waiting = asyncio.create_task(ask(mesh, "GET", place, prefer="wait=50"))
    await somebody_waits(mesh)

    await mesh.gateway.close()

    assert (await waiting).status == 202


async def test_one_that_waits_is_cancelled_where_it_is(mesh):
    """It leaves the queue, and its result says what became of it; the worker is told too."""
    told = asyncio.Queue()
    await mesh.bus.subscribe(subjects.cancel(mesh.endpoint, "blue"), told.put)
    await mesh.bus.flush()
    request_id, place = await submit(mesh)

    answer = await ask(mesh, "DELETE", place)

    assert (answer.status, json.loads(answer.body)["state"]) == (200, "cancelled")
    assert await depth(mesh) == 0
    after = await ask(mesh, "GET", place)
    assert (after.status, after.headers["mesh-job-state"]) == (410, "cancelled")
    assert wire.decode((await told.get()).data, wire.Cancel).request_id == request_id
    assert not await finish(mesh, request_id)


async def test_what_has_ended_is_not_cancelled(mesh):
    """409 says how it ended; cancelling twice is one of these."""
    request_id, place = await submit(mesh)
    await finish(mesh, request_id)

    answer = await ask(mesh, "DELETE", place)

    assert answer.status == 409
    assert f"request {request_id} has ended: it is done" in answer.body.decode()


async def test_cancelling_and_ending_at_once_end_it_once(mesh):
    """Whichever comes first is kept, and the one who cancels is told the truth."""
    placed = [await submit(mesh) for _ in range(20)]

    answers = await asyncio.gather(
        *(ask(mesh, "DELETE", place) for _, place in placed),
        *(finish(mesh, request_id) for request_id, _ in placed),
    )

    for (request_id, _), answer, kept in zip(placed, answers[:20], answers[20:], strict=True):
        status = await jobs.status(mesh.bus, mesh.endpoint, request_id)
        assert status.state == ("done" if kept else "cancelled")
        assert answer.status == (409 if kept else 200)


@pytest.mark.parametrize(
    ("priority", "lane"), [("low", "background"), ("normal", "queued"), (None, "queued")]
)
async def test_priority_chooses_the_lane(mesh, priority, lane):
    """Low ones go to the lane that is served when the others are empty."""
    _, place = await submit(mesh, **({"mesh-priority": priority} if priority else {}))

    assert await depth(mesh, lane) == 1
    assert json.loads((await ask(mesh, "GET", place)).body)["lane"] == lane


async def test_a_priority_that_is_none_is_refused(mesh):
    """Named, with what would be right."""
    answer = await mesh.score(prefer="respond-async", **{"mesh-priority": "high"})

    assert answer.status == 400
    assert "Mesh-Priority: 'high': expected normal or low" in answer.body.decode()
    assert await depth(mesh) == 0


async def test_other_methods_are_refused(mesh):
    """405 names those that there are."""
    _, place = await submit(mesh)

    answer = await ask(mesh, "PUT", place)

    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "DELETE", "OPTIONS"}


async def test_a_page_of_an_allowed_origin_may_look_and_cancel(nats_url, open_mesh):
    """As it may score."""
    mesh = await open_mesh(nats_url, cors_origins=["https://shop.example"])
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)
    _, place = await submit(mesh)

    preflight = await ask(mesh, "OPTIONS", place, origin="https://shop.example")
    answer = await ask(mesh, "GET", place, origin="https://shop.example")

    assert "DELETE" in preflight.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


async def test_what_nobody_knows_cannot_be_cancelled(mesh):
    """404, and no trace of it."""
    answer = await ask(mesh, "DELETE", f"/endpoints/{mesh.endpoint}/requests/nope")

    assert answer.status == 404
    assert await jobs.find_result(mesh.bus, mesh.endpoint, "nope") is None
