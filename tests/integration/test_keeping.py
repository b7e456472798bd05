"""Results of queued requests: every way in which one ends leaves exactly one, before its end."""

import asyncio

import pytest

from mesh import bodies, claims, jobs, kept, subjects, topology, wire
from mesh.bus import Bus
from mesh.errors import BusError, NotFoundError
from mesh.spec.options import QueueOptions
from mesh.streams import (
    consumer_info,
    delete_stream,
    ensure_queue,
    ensure_stream,
    ensure_topology,
    stream_info,
)
from mesh.subjects import DEAD_STREAM, RESULTS_STREAM
from tests.integration.test_consume import STREAM, Stage
from workers import ending


@pytest.fixture
async def stage(server):
    """A worker's consumer with one slot, on a server of the test's own."""
    bus = await Bus.connect(server.url, name="test")
    await ensure_topology(bus)
    await ensure_queue(bus, "iris", "blue", QueueOptions(), 2.0)
    stage = Stage(bus, 1)
    await stage.set_up()
    yield stage
    await stage.tear_down()
    await bus.close()


async def send(stage, request_id="r1", lane="queued", **headers):
    """Queue a request as a gateway does: with an id and no reply subject."""
    timeout = {"Mesh_Timeout_Ms": "60000"}
    given = {"Mesh_Request_Id": request_id, "Mesh_Reply": ""}
    await stage.send(1, lane, **given | timeout | headers)


async def result_of(stage, request_id="r1"):
    """Wait for a result; the broker's answers are the clock."""
    while (result := await jobs.find_result(stage.bus, "iris", request_id)) is None:
        await stage.until(lambda: True)
        stage.consumer.sweep(asyncio.get_running_loop().time())
    return result


async def is_done(stage, lane="queued"):
    """Wait until the lane is empty: everything is acknowledged."""
    held = -1
    while held:
        info = await consumer_info(stage.bus, STREAM, lane)
        held = info["num_pending"] + info["num_ack_pending"]


@pytest.mark.parametrize("lane", ["queued", "background"])
async def test_answer_is_kept_and_then_acknowledged(stage, lane):
    """With all that the answer to a caller would have said."""
    await send(stage, lane=lane)
    await stage.until(lambda: stage.given)

    stage.answer(0, b'{"y": 1}')

    result = await result_of(stage)
    assert result.data == b'{"y": 1}'
    assert result.headers[wire.STATUS] == "200"
    assert (result.headers[wire.REQUEST_ID], result.headers[wire.DEPLOYMENT]) == ("r1", "blue")
    assert (result.headers[wire.INSTANCE], result.headers[wire.GENERATION]) == ("i1", "3")
    assert wire.ERROR not in result.headers
    await is_done(stage, lane)


async def test_error_of_the_model_is_a_result(stage):
    """Its status is the one it would have over HTTP; the model's own is beside it."""
    await send(stage)
    await stage.until(lambda: stage.given)

    stage.answer(0, b"teapot", status=418)

    headers = (await result_of(stage)).headers
    assert (headers[wire.STATUS], headers[wire.ERROR]) == ("424", "model_error")
    assert headers[wire.MODEL_STATUS] == "418"
    await is_done(stage)


async def test_request_past_its_time_limit_has_a_failed_result(stage):
    """It is not run, and whoever asks learns why."""
    await send(stage, Mesh_Timeout_Ms="0")

    headers = (await result_of(stage)).headers

    assert (headers[wire.STATUS], headers[wire.ERROR]) == ("408", "deadline_exceeded")
    assert stage.given == []
    await is_done(stage)


async def test_run_is_limited_by_the_deployment(stage):
    """The time limit of a queued request is about waiting; its run has the deployment's."""
    await send(stage)
    await stage.until(lambda: stage.given)

    assert stage.given[0].deadline_s < asyncio.get_running_loop().time() + 5.1


async def test_run_that_was_stopped_has_a_failed_result_at_once(stage):
    """It is over its limit, whatever brought its runner down: it is not tried again."""
    await send(stage)
    await stage.until(lambda: stage.given)

    stage.crash(stopped=[0])

    headers = (await result_of(stage)).headers
    assert (headers[wire.STATUS], headers[wire.ERROR]) == ("408", "deadline_exceeded")
    assert (len(stage.given), stage.dead) == (1, [])
    await is_done(stage)


async def test_poison_has_a_failed_result(stage):
    """After its last attempt it is dead-lettered, and its result says so."""
    await send(stage)
    for attempt in range(3):
        await stage.until(lambda attempt=attempt: len(stage.given) > attempt)
        stage.crash(started=[attempt])

    headers = (await result_of(stage)).headers

    assert (headers[wire.STATUS], headers[wire.ERROR]) == ("424", "poison")
    await stage.until(lambda: stage.dead)
    assert stage.dead[0].request_id == "r1"
    await is_done(stage)


async def test_garbage_has_a_failed_result(stage):
    """What cannot be a request is dead-lettered too; its id is believed."""
    await send(stage, Mesh_Timeout_Ms="soon")

    result = await result_of(stage)

    assert b"'soon'" in result.data
    await is_done(stage)


async def test_cancelled_request_has_a_failed_result(stage):
    """Running or waiting."""
    await send(stage)
    await stage.until(lambda: stage.given)

    stage.consumer.cancel("r1")
    stage.answer(0)

    headers = (await result_of(stage)).headers
    assert (headers[wire.STATUS], headers[wire.ERROR]) == ("410", "cancelled")
    await is_done(stage)


async def test_large_answer_is_a_result_by_reference(stage):
    """It is there before the result that names it, and lives as long."""
    await send(stage)
    await stage.until(lambda: stage.given)
    body = b"x" * (stage.bus.max_body_bytes + 1)

    stage.answer(0, body)

    result = await result_of(stage)
    assert result.data == b""
    assert await bodies.read(stage.bus, claims.parse(result.headers[wire.BODY])) == body
    await is_done(stage)


async def test_first_result_counts(stage):
    """A request that was run twice has the result of whoever came first."""
    await jobs.keep_result(stage.bus, "iris", "r1", b"first", {wire.STATUS: "200"})
    await send(stage)
    await stage.until(lambda: stage.given)

    stage.answer(0, b"second")

    await is_done(stage)
    assert (await result_of(stage)).data == b"first"


async def test_a_full_store_drops_no_result(stage):
    """The new one is held back until there is room; it is not acknowledged and not run again."""
    await jobs.keep_result(stage.bus, "iris", "old", b"x" * 2000, {wire.STATUS: "200"})
    results = topology.results(60.0)
    await ensure_stream(stage.bus, results | {"max_bytes": 2500})
    await send(stage)
    await stage.until(lambda: stage.given)

    stage.answer(0, b"y" * 2000)
    with pytest.raises(BusError):
        await jobs.keep_result(stage.bus, "iris", "r2", b"z" * 2000, {wire.STATUS: "200"})
    assert await jobs.find_result(stage.bus, "iris", "r1") is None
    await ensure_stream(stage.bus, results)

    assert (await result_of(stage)).data == b"y" * 2000
    assert await jobs.find_result(stage.bus, "iris", "old") is not None
    await is_done(stage)
    assert len(stage.given) == 1


async def test_results_are_kept_for_as_long_as_is_set(stage):
    """The streams that exist already are changed."""
    await ensure_topology(stage.bus, 7200.0)

    for name in (subjects.RESULTS_STREAM, subjects.JOBS_STREAM):
        info = await stream_info(stage.bus, name)
        assert info["config"]["max_age"] == 7200 * topology.NS


async def test_result_given_while_the_broker_is_away_is_kept_after(server, stage):
    """It is not acknowledged before it is kept."""
    await send(stage)
    await stage.until(lambda: stage.given)
    away = asyncio.Event()
    stage.bus.on_away(away.set)
    server.kill()
    await away.wait()

    stage.answer(0, b"late")
    back = asyncio.Event()

    async def note():
        back.set()

    stage.bus.on_reconnect(note)
    server.start()
    await back.wait()

    assert (await result_of(stage)).data == b"late"
    await is_done(stage)


async def test_request_without_an_id_is_given_up(stage):
    """Nobody could ask for it: it is not run, and the dead letter says why."""
    await send(stage, request_id="not.an.id")

    await stage.until(lambda: stage.dead)

    assert "Mesh-Request-Id: 'not.an.id': expected 1-64" in stage.dead[0].reason
    assert stage.given == []
    await is_done(stage)


async def test_what_names_a_reply_is_refused(stage):
    """Whoever can publish to the lane must not have an answer sent to a gateway's caller."""
    await send(stage, Mesh_Reply="mesh.reply.iris.blue.g1.7")

    result = await result_of(stage)

    assert (result.headers[wire.STATUS], result.headers[wire.ERROR]) == ("400", "invalid_request")
    assert b"Mesh-Reply: the result is kept" in result.data
    assert stage.given == []
    await is_done(stage)


KEEP = {"Mesh_Keep": "1", "Mesh_Timeout_Ms": "5000", "Mesh_Request_Id": "r1"}


async def test_kept_answer_is_stored_before_it_is_given(stage):
    """A caller that waits and asks for it has both."""
    await stage.send(1, **KEEP)
    await stage.until(lambda: stage.given)

    stage.answer(0, b"teapot", status=418)

    await stage.until(lambda: stage.answers)
    assert stage.answers[0].data == b"teapot"
    assert stage.answers[0].headers[wire.STATUS] == "418"
    result = await jobs.find_result(stage.bus, "iris", "r1")
    assert (result.data, result.headers[wire.STATUS]) == (b"teapot", "424")
    await is_done(stage, "interactive")


async def test_second_answer_only_tells_of_the_first(stage):
    """What was stored before is the answer; a worker may not read it, a gateway may."""
    await jobs.keep_result(stage.bus, "iris", "r1", b"first", {wire.STATUS: "200"})
    await stage.send(1, **KEEP)
    await stage.until(lambda: stage.given)

    stage.answer(0, b"second")

    await stage.until(lambda: stage.answers)
    assert (stage.answers[0].data, stage.answers[0].headers[wire.STORED]) == (b"", "1")
    assert (await result_of(stage)).data == b"first"
    await is_done(stage, "interactive")


async def test_kept_request_out_of_time_leaves_nothing(stage):
    """It may be sent again under its key, and then its result is stored."""
    await stage.send(1, **KEEP | {"Mesh_Timeout_Ms": "0"})

    await is_done(stage, "interactive")

    assert await jobs.find_result(stage.bus, "iris", "r1") is None
    assert stage.given == []


async def test_it_is_noted_who_begins_it(stage):
    """So that those who ask are told that it runs, and which attempt that is."""
    await send(stage)
    await stage.until(lambda: stage.given)

    status = None
    while status is None:
        status = await jobs.status(stage.bus, "iris", "r1")
    assert (status.state, status.attempt, status.lane) == ("running", 1, "queued")
    assert status.deployment == "blue"


async def test_a_request_that_fails_is_kept_to_be_sent_again(stage):
    """With its own headers; those that tell the broker something are left out."""
    await send(stage, Content_Type="text/plain")
    await stage.until(lambda: stage.given)

    stage.answer(0, b"no", status=500)

    await result_of(stage)
    found = await jobs.known(stage.bus, "iris", "r1")
    headers, body = await kept.find_request(stage.bus, "iris", found)
    assert (found.state, body) == ("failed", b"1")
    assert headers[wire.CONTENT_TYPE] == "text/plain"


async def test_one_that_succeeds_is_not_kept(stage):
    """Nobody is to send it again."""
    await send(stage)
    await stage.until(lambda: stage.given)
    stage.answer(0, b"yes")
    await result_of(stage)

    with pytest.raises(NotFoundError, match="kept only if it does not"):
        await kept.find_request(stage.bus, "iris", await jobs.known(stage.bus, "iris", "r1"))


async def test_a_result_that_could_not_be_kept_is_no_attempt(stage, monkeypatch):
    """The broker refuses results for a long time: the request is not taken for one that kills."""
    monkeypatch.setattr(ending, "KEEP_S", 0.0)
    monkeypatch.setattr(ending, "KEEP_AGAIN_S", 0.01)
    await delete_stream(stage.bus, RESULTS_STREAM)
    await send(stage)
    for number in range(5):
        await stage.until(lambda number=number: len(stage.given) > number)
        stage.answer(number)

    await ensure_topology(stage.bus)
    await stage.until(lambda: len(stage.given) > 5)
    stage.answer(5, b"late")

    assert (await result_of(stage)).data == b"late"
    assert stage.dead == []


async def test_a_request_is_dead_lettered_once(stage, monkeypatch):
    """Though its result could not be kept, and it was given up again."""
    monkeypatch.setattr(ending, "KEEP_S", 0.0)
    monkeypatch.setattr(ending, "KEEP_AGAIN_S", 0.01)
    await delete_stream(stage.bus, RESULTS_STREAM)
    await send(stage)
    for number in range(3):
        await stage.until(lambda number=number: len(stage.given) > number)
        stage.crash(started=[number])
    await stage.until(lambda: len(stage.dead) > 1)

    await ensure_topology(stage.bus)

    assert (await result_of(stage)).headers[wire.ERROR] == "poison"
    assert (await stream_info(stage.bus, DEAD_STREAM))["state"]["messages"] == 1
