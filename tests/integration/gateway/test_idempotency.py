"""Requests with an idempotency key, over two gateways and a 50/50 split."""

import asyncio
import contextlib
import hashlib
import json

import pytest

from gateway.idempotency import Asked, digest_of
from mesh import jobs, kept, reservations, streams, subjects, wire
from mesh.errors import CancelledRequestError
from mesh.records import ReservationRecord
from tests.integration.gateway.conftest import KEY
from tests.integration.gateway.pair import Pair
from tests.natssocket import NatsSocket

ASYNC = {"prefer": "respond-async"}


@pytest.fixture
async def pair(server, open_mesh):
    """Two gateways, two deployments that share the traffic, nobody works yet."""
    async with contextlib.AsyncExitStack() as stack:
        yield await Pair(await open_mesh(server.url), stack).open(blue=50, green=50)


@pytest.fixture
async def served(pair):
    """Both deployments have a worker."""
    await pair.serve("blue", "green")
    return pair


async def test_concurrent_repeats_are_one_run(served):
    """Twenty at once over both gateways: one is run, all have its answer and its id."""
    asked = [served.ask(number % 2) for number in range(20)]

    answers = await asyncio.gather(*asked)

    assert len(served.ran) == 1
    assert {(one.status, one.body) for one in answers} == {(200, answers[0].body)}
    assert {one.headers["x-request-id"] for one in answers} == {served.ran[0][1]}
    assert {one.headers["azureml-model-deployment"] for one in answers} == {served.ran[0][0]}
    assert sum(one.headers.get("idempotency-replayed") == "true" for one in answers) == 19


async def test_later_repeats_have_the_first_answer(served):
    """Whichever gateway is asked, and whatever its own pick would be."""
    first = await served.ask()

    later = [await served.ask(number % 2) for number in range(4)]

    assert {one.body for one in later} == {first.body}
    assert len(served.ran) == 1
    assert "idempotency-replayed" not in first.headers
    assert {one.headers["idempotency-replayed"] for one in later} == {"true"}


async def test_other_keys_are_other_requests(served):
    """And so is no key at all."""
    answers = [await served.ask(key=key) for key in ("k1", "k2")]

    await served.mesh.work("blue")
    assert [one.status for one in answers] == [200, 200]
    assert len(served.ran) == 2


async def test_split_is_that_of_first_requests(served):
    """Repeats take nobody's turn."""
    for key in map(str, range(10)):
        await served.ask(key=key)
        for _ in range(3):
            await served.ask(key=key)

    assert [name for name, _ in served.ran].count("blue") == 5


async def test_error_of_the_model_is_an_answer(served):
    """It is replayed as it was."""
    for model in served.models.values():
        model.status = 418

    first, second = await served.ask(), await served.ask(1)

    assert (first.status, second.status) == (424, 424)
    assert second.body == first.body
    assert second.headers["ms-azureml-model-error-statuscode"] == "418"
    assert len(served.ran) == 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b'{"x": 2}', {}, id="body"),
        pytest.param(b'{"x": 1}', {"content-type": "text/plain"}, id="content type"),
        pytest.param(b'{"x": 1}', {"azureml-model-deployment": "blue"}, id="deployment"),
        pytest.param(b'{"x": 1}', ASYNC, id="queued"),
    ],
)
async def test_another_request_under_the_key_is_422(served, body, headers):
    """It is not run, and told which request the key stands for."""
    first = await served.ask()

    other = await served.ask(1, body, **headers)

    error = json.loads(other.body)["error"]
    assert (other.status, error["code"]) == (422, "key_reused")
    assert first.headers["x-request-id"] in error["message"]
    assert len(served.ran) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "k\xe9"])
async def test_what_is_no_key_is_400(served, key):
    """1 to 255 visible ASCII characters."""
    answer = await served.ask(key=key)

    assert answer.status == 400
    assert b"1-255 visible ASCII characters" in answer.body
    assert served.ran == []


async def test_repeat_waits_no_longer_than_its_own_deadline(pair):
    """408, while the first one goes on waiting."""
    first = asyncio.create_task(pair.ask())
    while not pair.gateways[0].in_flight:
        await pair.mesh.bus.flush()

    second = await pair.ask(1, x_ms_request_timeout_ms="200")

    assert second.status == 408
    assert not first.done()
    await pair.serve("blue", "green")
    assert (await first).status == 200


async def test_broker_restart_between_two_calls(server, served):
    """The key and the result are kept by the broker, and it keeps them over its death."""
    first = await served.ask()
    back = asyncio.Event()

    async def note():
        back.set()

    served.mesh.bus.on_reconnect(note)
    server.kill()
    server.start()
    await back.wait()

    while (second := await served.ask(1)).status == 503:
        await served.mesh.bus.flush()
    assert (second.status, second.body) == (200, first.body)
    assert len(served.ran) == 1


async def test_repeat_waits_over_a_broker_restart(server, served):
    """What was stored while a gateway was away is found when it is back.

    The broker hands out anew what was being run: it may run twice, and has one result.
    """
    for model in served.models.values():
        model.go.clear()
    first = asyncio.create_task(served.ask())
    while not served.ran:
        await served.mesh.bus.flush()
    second = asyncio.create_task(served.ask(1))
    while not served.gateways[1]._scoring.keyed._waiting:
        await served.mesh.bus.flush()

    server.kill()
    server.start()
    for model in served.models.values():
        model.go.set()

    answers = await asyncio.gather(first, second)
    assert [one.status for one in answers] == [200, 200]
    assert answers[0].body == answers[1].body
    assert len({request_id for _, request_id in served.ran}) == 1


@pytest.mark.parametrize("is_run", [False, True], ids=["queued", "running"])
async def test_cancelled_request_frees_its_key(pair, is_run):
    """A client that went away may ask again: the retry is run, as if there had been no other."""
    if is_run:
        await pair.serve("blue", "green")
        for model in pair.models.values():
            model.go.clear()
    client = await pair.client()
    headers = {"authorization": f"Bearer {KEY}", "idempotency-key": "k1"}
    client.request("POST", pair.mesh.path, b'{"x": 1}', **headers)
    while not (pair.ran if is_run else pair.gateways[0].in_flight):
        await pair.mesh.bus.flush()

    await client.close()
    while pair.gateways[0].in_flight:
        await pair.mesh.bus.flush()
    if is_run:
        for model in pair.models.values():
            model.go.set()
    else:
        await nothing_waits(pair)  # who takes it at that very moment may run it
        await pair.serve("blue", "green")
    retry = await pair.ask(1)

    assert retry.status == 200
    assert "idempotency-replayed" not in retry.headers
    assert retry.headers["x-request-id"] == pair.ran[-1][1]
    assert len(pair.ran) == 1 + is_run


async def nothing_waits(pair):
    """Wait until both queues are empty; the broker's answers are the clock."""
    for name in ("blue", "green"):
        stream = subjects.work_stream(pair.mesh.endpoint, name)
        while (await streams.stream_info(pair.mesh.bus, stream))["state"]["messages"]:
            pass


async def test_repeat_goes_on_when_the_first_is_cancelled(served):
    """Another caller with the same key still gets an answer."""
    for model in served.models.values():
        model.go.clear()
    client = await served.client()
    headers = {"authorization": f"Bearer {KEY}", "idempotency-key": "k1"}
    client.request("POST", served.mesh.path, b'{"x": 1}', **headers)
    while not served.ran:
        await served.mesh.bus.flush()
    second = asyncio.create_task(served.ask(1))
    while not served.gateways[1]._scoring.keyed._waiting:
        await served.mesh.bus.flush()

    await client.close()
    while len(served.ran) < 2:
        await served.mesh.bus.flush()
    for model in served.models.values():
        model.go.set()

    assert (await second).status == 200
    assert len({request_id for _, request_id in served.ran}) == 2


async def test_refused_request_frees_its_key(pair):
    """A full lane is 429; when there is room the same key is served."""
    await pair.mesh.deploy("small", max_messages=1)
    named = {"azureml-model-deployment": "small"}
    blocking = asyncio.create_task(pair.ask(key="other", **named))
    while not pair.gateways[0].in_flight:
        await pair.mesh.bus.flush()

    refused = [await pair.ask(gateway, **named) for gateway in (1, 0)]
    await pair.serve("small")
    await blocking
    served = await pair.ask(**named)

    assert [one.status for one in refused] == [429, 429]
    assert (served.status, len(pair.ran)) == (200, 2)


async def test_unknown_deployment_frees_its_key(served):
    """404, and then another body under the same key is no conflict."""
    first = await served.ask(azureml_model_deployment="red")

    assert (first.status, (await served.ask(body=b"{}")).status) == (404, 200)


async def test_repeat_after_the_deadline_takes_over(pair):
    """Nobody ran the first one in time: the next is run, under the same id."""
    first = await pair.ask(x_ms_request_timeout_ms="300")
    await pair.serve("blue", "green")

    second = await pair.ask(1)

    assert (first.status, second.status) == (408, 200)
    assert second.headers["x-request-id"] == first.headers["x-request-id"]
    assert len(pair.ran) == 1


async def test_late_result_is_what_a_repeat_gets(served):
    """The model was too slow for its caller, but its work is not lost."""
    for model in served.models.values():
        model.go.clear()
    first = await served.ask(x_ms_request_timeout_ms="300")
    for model in served.models.values():
        model.go.set()
    while await jobs.find_result(served.mesh.bus, served.mesh.endpoint, served.ran[0][1]) is None:
        pass

    second = await served.ask(1)

    assert (first.status, second.status) == (408, 200)
    assert second.headers["idempotency-replayed"] == "true"
    assert len(served.ran) == 1


async def test_two_runs_have_one_result(served):
    """A repeat that took over while the first still ran: the result stored first is everybody's."""
    for model in served.models.values():
        model.go.clear()
    first = await served.ask(x_ms_request_timeout_ms="300")
    second = asyncio.create_task(served.ask(1))
    while len(served.ran) < 2:
        await served.mesh.bus.flush()

    for model in served.models.values():
        model.go.set()
    answers = [await second, await served.ask()]

    assert first.status == 408
    assert answers[0].body == answers[1].body
    assert len({request_id for _, request_id in served.ran}) == 1


async def test_answer_that_was_lost_is_looked_up(server, pair):
    """It was stored while the gateway was away from its broker: no `answer_unknown`."""
    asked = asyncio.create_task(pair.ask())
    while not (calls := list(pair.gateways[0]._pending.entries.values())) or not calls[0].seq:
        await pair.mesh.bus.flush()
    call, bus = calls[0], pair.mesh.bus
    said = {wire.STATUS: "200", wire.CONTENT_TYPE: "application/json", wire.DEPLOYMENT: "blue"}
    await jobs.keep_result(bus, pair.mesh.endpoint, call.request_id, b"lost", said)
    await streams.delete_message(bus, call.stream, call.seq)

    server.restart()

    answer = await asked
    assert (answer.status, answer.body) == (200, b"lost")


async def test_silent_broker_is_503_in_time(server, pair):
    """A key that cannot be looked at holds nobody longer than the deadline."""
    await pair.ask(x_ms_request_timeout_ms="50")
    clients = [await pair.client() for _ in range(2)]
    server.pause()
    while await answers(pair.mesh.bus):  # a stop takes a moment to reach every thread
        pass

    began_s = asyncio.get_running_loop().time()
    given = {"authorization": f"Bearer {KEY}", "idempotency-key": "k1"}
    given |= {"x-ms-request-timeout-ms": "300"}
    answer = await clients[0].ask("POST", pair.mesh.path, b"{}", **given)
    took_s = asyncio.get_running_loop().time() - began_s
    server.resume()

    assert answer.status == 503
    assert took_s < 1.0


async def answers(bus):
    try:
        await asyncio.wait_for(bus.flush(), 0.2)
    except TimeoutError:
        return False
    return True


async def test_request_that_was_cancelled_by_another_is_run_anew(served):
    """One that took over shares its id with one whose client may yet go away."""
    for model in served.models.values():
        model.go.clear()
    asked = asyncio.create_task(served.ask())
    while not served.ran:
        await served.mesh.bus.flush()
    body, headers = jobs.failure(CancelledRequestError())
    first = served.ran[0][1]
    await jobs.keep_result(served.mesh.bus, served.mesh.endpoint, first, body, headers)

    for model in served.models.values():
        model.go.set()

    answer = await asked
    assert answer.status == 200
    assert answer.headers["x-request-id"] == served.ran[1][1] != first


async def test_one_of_many_takes_over(pair):
    """When a gateway has died, those who wait do not all run."""
    body = b'{"x": 1}'
    await key_of_a_dead_gateway(pair, body, timeout_s=0.5)
    await pair.serve("blue", "green")

    answers = await asyncio.gather(*(pair.ask(number % 2, body) for number in range(10)))

    assert {(one.status, one.body) for one in answers} == {(200, answers[0].body)}
    assert [request_id for _, request_id in pair.ran] == ["first"]


@pytest.mark.parametrize("published", [False, True])
async def test_gateway_that_died_midway(pair, published):
    """After its time another one takes over; a result that came meanwhile is found."""
    body, endpoint = b'{"x": 1}', pair.mesh.endpoint
    await key_of_a_dead_gateway(pair, body, timeout_s=0.5)
    if published:
        await pair.serve("blue")
        headers = {wire.REQUEST_ID: "first", wire.KEEP: "1", wire.TIMEOUT_MS: "5000"}
        headers[wire.REPLY] = f"mesh.reply.{endpoint}.blue.gone.1"
        work = subjects.work(endpoint, "blue", "interactive")
        await pair.mesh.bus.request(work, body, headers=headers)

    second = asyncio.create_task(pair.ask(body=body))
    if not published:
        await pair.serve("blue", "green")

    assert (await second).status == 200
    assert [request_id for _, request_id in pair.ran] == ["first"]


async def key_of_a_dead_gateway(pair, body, timeout_s, **fields):
    """Write what a gateway writes before it publishes."""
    wanted = ReservationRecord(
        fingerprint=fingerprint(body), request_id="first", timeout_s=timeout_s, **fields
    )
    subject = subjects.reservation(pair.mesh.endpoint, digest_of(b"k1"))
    await reservations.take(pair.mesh.bus, subject, wanted)


def fingerprint(body):
    return Asked(b"POST", "/score", b"", b"", hashlib.sha256(body).digest()).fingerprint


async def test_queued_repeats_are_one_job(served):
    """202 with the same place, while it is queued and when it is done."""
    first = await served.ask(**ASYNC)
    repeats = [await served.ask(1, **ASYNC)]
    request_id = first.headers["x-request-id"]
    while await jobs.find_result(served.mesh.bus, served.mesh.endpoint, request_id) is None:
        pass
    repeats.append(await served.ask(1, **ASYNC))

    assert first.status == 202
    for repeat in repeats:
        assert (repeat.status, repeat.body) == (202, first.body)
        assert repeat.headers["location"] == first.headers["location"]
        assert repeat.headers["idempotency-replayed"] == "true"
        assert (
            repeat.headers["azureml-model-deployment"] == first.headers["azureml-model-deployment"]
        )
    assert len(served.ran) == 1


async def test_concurrent_queued_repeats_are_one_job(served):
    """Over both gateways."""
    answers = await asyncio.gather(*(served.ask(number % 2, **ASYNC) for number in range(10)))

    assert {one.headers["location"] for one in answers} == {answers[0].headers["location"]}
    assert {one.status for one in answers} == {202}


async def test_refused_queued_request_frees_its_key(pair):
    """As a synchronous one does."""
    await pair.mesh.deploy("small", max_messages=1)
    named = {"azureml-model-deployment": "small"} | ASYNC
    await pair.ask(key="other", **named)

    refused = await pair.ask(**named)
    await pair.serve("small")
    while (served := await pair.ask(1, **named)).status == 429:
        pass

    assert (refused.status, served.status) == (429, 202)


async def test_cancelled_job_frees_its_key(pair):
    """A repeat is another job."""
    first = await pair.ask(**ASYNC)
    client = await pair.client()
    place = first.headers["location"]
    gone = await client.ask("DELETE", place, authorization=f"Bearer {KEY}")

    second = await pair.ask(1, **ASYNC)

    assert (gone.status, second.status) == (200, 202)
    assert second.headers["location"] != place


async def test_expired_job_frees_its_key(pair):
    """Nobody ran it in time, and nobody has found it yet: a repeat is another job."""
    body = b'{"x": 1}'
    await key_of_a_dead_gateway(pair, body, timeout_s=10, queued=True)
    expired = jobs.JobRecord(deployment="blue", timeout_s=-1000.0)
    await jobs.note(pair.mesh.bus, pair.mesh.endpoint, "first", expired)

    second = await pair.ask(body=body, **ASYNC)

    assert second.status == 202
    assert not second.headers["location"].endswith("/first")


async def test_gateway_that_died_before_it_queued(pair):
    """When it is sure that it will not any more, a repeat queues the request under its id."""
    body = b'{"x": 1}'
    await key_of_a_dead_gateway(pair, body, timeout_s=0.5, queued=True, deployment="green")

    answer = await pair.ask(body=body, **ASYNC)

    job = await jobs.find(pair.mesh.bus, pair.mesh.endpoint, "first")
    assert answer.headers["location"].endswith("/first")
    assert job.record.deployment == "green"


async def test_invocation_with_a_key(server, served):
    """Over NATS the key has a header of its own; it is the same key as over HTTP."""
    producer = await NatsSocket.open(server.url)
    first = await served.ask()

    subject = subjects.invoke(served.mesh.endpoint)
    told = await producer.request(subject, b'{"x": 1}', Mesh_Idempotency_Key="k1")
    other = await producer.request(subject, b"{}", Idempotency_Key="k1")

    await producer.close()
    assert (told.headers[wire.STATUS], told.body) == ("200", first.body)
    assert told.headers[wire.REQUEST_ID] == first.headers["x-request-id"]
    assert told.headers[wire.REPLAYED] == "true"
    assert (other.headers[wire.STATUS], other.headers[wire.ERROR]) == ("422", "key_reused")
    assert len(served.ran) == 1


async def test_enqueued_requests_with_a_key(server, served):
    """One is run; each has the result under the id it was left with."""
    for name in ("a", "b"):
        await enqueue(server, served, name)
    await enqueue(server, served, "c", body=b"other")

    results = {name: await result_of(served, name) for name in "abc"}
    assert results["a"].data == results["b"].data
    assert results["c"].headers[wire.ERROR] == "key_reused"
    assert len(served.ran) == 1


async def test_enqueued_repeat_waits_for_the_first(server, served):
    """It is known meanwhile, and it is not run."""
    for model in served.models.values():
        model.go.clear()
    await enqueue(server, served, "a")
    await enqueue(server, served, "b")
    while await jobs.status(served.mesh.bus, served.mesh.endpoint, "b") is None:
        pass
    while not served.ran:
        await served.mesh.bus.flush()

    for model in served.models.values():
        model.go.set()

    repeat = await result_of(served, "b")
    assert repeat.data == (await result_of(served, "a")).data
    assert repeat.headers[wire.REPLAYED] == "true"
    assert [request_id for _, request_id in served.ran] == ["a"]


async def test_enqueued_repeat_of_a_cancelled_one_is_run(server, pair):
    """Under its own id, even if it has waited for the other one."""
    await enqueue(server, pair, "a")
    await enqueue(server, pair, "b")
    while await jobs.status(pair.mesh.bus, pair.mesh.endpoint, "b") is None:
        pass

    await kept.cancel(pair.mesh.bus, pair.mesh.endpoint, "a")
    await pair.serve("blue", "green")

    assert (await result_of(pair, "b")).headers[wire.STATUS] == "200"
    assert [request_id for _, request_id in pair.ran] == ["b"]


async def test_enqueued_repeat_takes_over_from_a_gateway_that_died(server, pair):
    """What that one may have queued is queued under its id; the repeat has a copy of its result."""
    await key_of_a_dead_gateway(pair, b'{"x": 1}', timeout_s=0.0, queued=True)
    await pair.serve("blue", "green")

    await enqueue(server, pair, "b")

    result = await result_of(pair, "b")
    assert result.data == (await result_of(pair, "first")).data
    assert [request_id for _, request_id in pair.ran] == ["first"]


async def test_enqueued_with_what_is_no_key_has_a_failed_result(server, pair):
    """As a bad header over HTTP is 400."""
    await enqueue(server, pair, "a", key="a b")

    assert (await result_of(pair, "a")).headers[wire.STATUS] == "400"


async def enqueue(server, pair, request_id, body=b'{"x": 1}', key="k1"):
    """Leave a request as a producer does."""
    producer = await NatsSocket.open(server.url)
    given = {"Mesh_Request_Id": request_id, "Mesh_Idempotency_Key": key}
    await producer.request(subjects.enqueue(pair.mesh.endpoint), body, **given)
    await producer.close()


async def result_of(pair, request_id):
    """Wait for a request's result; the broker's answers are the clock."""
    endpoint = pair.mesh.endpoint
    while (result := await jobs.find_result(pair.mesh.bus, endpoint, request_id)) is None:
        pass
    return result


async def test_enqueued_and_submitted_are_one(server, served):
    """A repeat over HTTP of what was enqueued has its place."""
    await enqueue(server, served, "a")
    await result_of(served, "a")

    answer = await served.ask(**ASYNC)

    assert answer.status == 202
    assert answer.headers["location"].endswith("/requests/a")
