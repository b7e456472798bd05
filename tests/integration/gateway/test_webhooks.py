"""Webhooks: signed, tried again, given up; and requests that are put off, or expire."""

import asyncio
import contextlib
import hashlib
import json

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from mesh import jobs, kept, streams, subjects, wire
from mesh.records import AuthRecord, EndpointRecord
from mesh.spec.endpoint import EndpointSpec
from mesh.wire import DeadLetter
from scaler.requeue import handed_on
from tests.natssocket import NatsSocket

AUTH = {"authorization": "Bearer secret"}
DONE = {wire.STATUS: "200", wire.CONTENT_TYPE: "application/json", wire.DEPLOYMENT: "blue"}
SECRET = "whsec_" + "c2VjcmV0" * 4


class Receiver:
    """Somebody who is told: a plain HTTP server that answers as the test says."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()
        self.statuses: list[int] = []
        self.url = ""
        self._writers: list[asyncio.StreamWriter] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[1:-1]
                headers = dict(line.lower().split(": ", 1) for line in head if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                raw = dict(line.split(": ", 1) for line in head if line)
                self.calls.put_nowait(({k.lower(): v for k, v in raw.items()}, body))
                status = self.statuses.pop(0) if self.statuses else 204
                location = "location: http://127.0.0.1:1/\r\n" if status == 302 else ""
                writer.write(f"HTTP/1.1 {status} x\r\n{location}content-length: 0\r\n\r\n".encode())

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture
async def receiver():
    """Listens on a free port."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.take, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    yield receiver
    server.close()
    await receiver.close()


@pytest.fixture
async def mesh(server, open_mesh):
    """A mesh that may call this machine; one call is retried before it is given up."""
    mesh = await open_mesh(server.url, webhook_hosts=["127.0.0.1"], webhook_attempts=2)
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)
    digest = hashlib.sha256(b"secret").hexdigest()
    auth = AuthRecord(digests=[digest], webhook_secret=SECRET)
    await mesh.applied(await mesh.put(subjects.auth_key(mesh.endpoint), auth))
    return mesh


async def submit(mesh, **headers):
    answer = await mesh.score(prefer="respond-async", **headers)
    assert answer.status == 202, answer.body
    return answer.headers["x-request-id"], answer.headers["location"]


async def finish(mesh, request_id, url, body=b'{"y": 1}'):
    """End a request, as a worker does."""
    return await jobs.finish(mesh.bus, mesh.endpoint, request_id, (body, DONE), url)


async def test_the_end_of_a_request_is_told(mesh, receiver):
    """Signed, with the result; the worker knows whom to tell from the message."""
    worker = await mesh.work("blue", lambda _: None, lane="queued")
    request_id, place = await submit(mesh, **{"mesh-webhook": receiver.url})
    await worker.arrived.wait()
    assert worker.seen[-1].headers[wire.WEBHOOK] == receiver.url

    await finish(mesh, request_id, receiver.url)

    headers, body = await receiver.calls.get()
    told = Webhook(SECRET).verify(body, headers)
    assert headers["webhook-id"] == request_id
    assert told["type"] == "request.done"
    assert told["data"]["result"] == {"y": 1}
    assert (told["data"]["status"], told["data"]["location"]) == (200, place)


async def test_two_endpoints_may_use_the_same_id(mesh, receiver):
    """Each one's end is told."""
    other = AuthRecord(digests=[], webhook_secret=SECRET)
    await mesh.put(subjects.endpoint_key("rose"), EndpointRecord(spec=EndpointSpec(name="rose")))
    await mesh.applied(await mesh.put(subjects.auth_key("rose"), other))

    for endpoint in (mesh.endpoint, "rose"):
        await jobs.finish(mesh.bus, endpoint, "r1", (b"{}", DONE), receiver.url)

    told = [json.loads((await receiver.calls.get())[1])["data"]["endpoint"] for _ in range(2)]
    assert sorted(told) == sorted([mesh.endpoint, "rose"])


async def test_a_signature_of_another_secret_does_not_fit(mesh, receiver):
    """Each endpoint has its own."""
    await finish(mesh, "r1", receiver.url)

    headers, body = await receiver.calls.get()

    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "b3RoZXIx" * 4).verify(body, headers)


async def test_cancelling_is_an_end_too(mesh, receiver):
    """Whoever asked to be told is told."""
    _, place = await submit(mesh, **{"mesh-webhook": receiver.url})
    client = await mesh.client()

    await client.ask("DELETE", place, **AUTH)

    _, body = await receiver.calls.get()
    told = json.loads(body)["data"]
    assert (told["state"], told["status"], told["error"]) == ("cancelled", 410, "cancelled")


async def test_a_call_that_fails_is_made_again(mesh, receiver, monkeypatch):
    """With the same id, so that the receiver knows it; a redirect is a failure."""
    monkeypatch.setattr("gateway.webhooks.RETRY_S", (0.01, 0.01))
    receiver.statuses = [302]

    await finish(mesh, "r1", receiver.url)

    first, second = await receiver.calls.get(), await receiver.calls.get()
    assert first[0]["webhook-id"] == second[0]["webhook-id"] == "r1"


@pytest.mark.parametrize(("statuses", "calls"), [([500, 500], 2), ([410], 1)])
async def test_what_cannot_be_told_is_given_up(mesh, receiver, monkeypatch, statuses, calls):
    """After so many calls, or at once if the receiver says that it is gone."""
    monkeypatch.setattr("gateway.webhooks.RETRY_S", (0.01, 0.01))
    receiver.statuses = list(statuses)

    await finish(mesh, "r1", receiver.url)

    letter = await dead_letter(mesh)
    assert (letter.kind, letter.request_id, letter.attempts) == ("webhook", "r1", calls)
    assert f"status {statuses[-1]}" in letter.reason
    assert receiver.calls.qsize() == calls


async def test_a_host_that_is_not_named_is_never_called(mesh):
    """Whoever wrote the URL: a producer of a lane may say anything to its worker."""
    await finish(mesh, "r1", "http://localhost:1/")

    letter = await dead_letter(mesh)
    assert (letter.attempts, "webhook_hosts" in letter.reason) == (1, True)


async def dead_letter(mesh):
    """Wait for what was given up; the broker's answers are the clock."""
    subject = subjects.dead(mesh.endpoint, "-")
    while (message := await streams.last_message(mesh.bus, subjects.DEAD_STREAM, subject)) is None:
        pass
    return wire.decode(message.data, DeadLetter)


async def test_webhooks_are_off_unless_hosts_are_named(nats_url, open_mesh):
    """The answer says which setting."""
    mesh = await open_mesh(nats_url)
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)

    answer = await mesh.score(prefer="respond-async", **{"mesh-webhook": "http://127.0.0.1/"})

    assert answer.status == 400
    assert "gateway.webhook_hosts does not name the host 127.0.0.1" in answer.body.decode()


async def test_a_request_is_put_off(mesh):
    """It says so, is in no queue, and gets its place when it is due."""
    worker = await mesh.work("blue", lambda _: None, lane="queued")

    request_id, _ = await submit(mesh, **{"mesh-not-before": "0.5"})

    status = await jobs.status(mesh.bus, mesh.endpoint, request_id)
    assert (status.state, worker.seen) == ("delayed", [])
    await worker.arrived.wait()
    assert worker.seen[-1].headers[wire.REQUEST_ID] == request_id
    status = await jobs.status(mesh.bus, mesh.endpoint, request_id)
    assert (status.state, status.deployment) == ("queued", "blue")
    assert status.submitted_at_s + 0.4 < worker_time(worker)


def worker_time(worker):
    """When the broker took the message into the deployment's queue."""
    return int(worker.seen[-1].reply.rsplit(".", 2)[1]) / 1e9


async def test_one_that_is_put_off_can_be_cancelled(mesh):
    """It is not run when it would be due."""
    worker = await mesh.work("blue", lambda _: None, lane="queued")
    _, place = await submit(mesh, **{"mesh-not-before": "0.3"})
    client = await mesh.client()

    assert (await client.ask("DELETE", place, **AUTH)).status == 200

    while (await streams.stream_info(mesh.bus, "INGRESS"))["state"]["messages"]:
        pass
    assert worker.seen == []


async def test_one_that_was_put_off_and_cancelled_is_kept(mesh):
    """It can be sent again, with its body."""
    request_id, place = await submit(
        mesh, **{"mesh-not-before": "60", "content-type": "text/plain"}
    )
    client = await mesh.client()
    assert (await client.ask("DELETE", place, **AUTH)).status == 200

    found = await jobs.known(mesh.bus, mesh.endpoint, request_id)
    headers, body = await kept.find_request(mesh.bus, mesh.endpoint, found)

    assert (body, handed_on(headers)[wire.CONTENT_TYPE]) == (b"{}", "text/plain")
    assert (await streams.stream_info(mesh.bus, "INGRESS"))["state"]["messages"] == 0


async def test_what_could_not_be_queued_in_time_is_kept(mesh, server):
    """So is what failed before it got anywhere."""
    producer = await NatsSocket.open(server.url)
    headers = {wire.REQUEST_ID: "r1", wire.EXPIRES: "soon"}
    await producer.request(subjects.enqueue(mesh.endpoint), b"body", **headers)
    while (await jobs.find_result(mesh.bus, mesh.endpoint, "r1")) is None:
        pass

    found = await jobs.known(mesh.bus, mesh.endpoint, "r1")

    assert (await kept.find_request(mesh.bus, mesh.endpoint, found))[1] == b"body"
    await producer.close()


async def test_producers_say_it_with_headers_of_their_own(mesh, server):
    """Times count from when the stream took the message."""
    worker = await mesh.work("blue", lambda _: None, lane="background")
    producer = await NatsSocket.open(server.url)
    headers = {wire.NOT_BEFORE: "0.2", wire.EXPIRES: "60", wire.PRIORITY: "low"}
    await producer.request(subjects.enqueue(mesh.endpoint), b"{}", **headers)

    await worker.arrived.wait()

    left_ms = int(worker.seen[-1].headers[wire.TIMEOUT_MS])
    assert 50_000 < left_ms <= 59_800
    await producer.close()


async def test_what_a_producer_cannot_have_is_a_failed_result(mesh, server, receiver):
    """And whoever is to be told of the end is told of that."""
    producer = await NatsSocket.open(server.url)
    headers = {wire.REQUEST_ID: "r1", wire.EXPIRES: "soon", wire.WEBHOOK: receiver.url}

    await producer.request(subjects.enqueue(mesh.endpoint), b"{}", **headers)

    _, body = await receiver.calls.get()
    told = json.loads(body)["data"]
    assert (told["state"], told["status"], told["error"]) == ("failed", 400, "invalid_request")
    assert "Mesh-Expires: 'soon'" in told["result"]["error"]["message"]
    await producer.close()
