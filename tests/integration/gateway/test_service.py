"""The gateway's life and what it tells the rest of the mesh."""

import asyncio
import os
import signal
import socket
import sys
import time
from urllib.parse import urlsplit

import msgspec
import pytest

from mesh import subjects, wire
from mesh.settings import GatewaySettings, NatsSettings, Settings
from mesh.tally import LATENCY_BUCKETS_S
from tests.rawhttp import Client


async def test_new_revision_is_told_within_100_ms(mesh):
    """The management service waits for this heartbeat: a changed split is live when it returns."""
    took_s = []
    for _ in range(3):  # the best of three: the machine may be busy with other things
        started_s = time.monotonic()
        await mesh.traffic(blue=100)
        took_s.append(time.monotonic() - started_s)

    assert min(took_s) < 0.1


async def test_heartbeat_says_what_was_offered(mesh):
    """Each request is counted once: accepted, refused or timed out."""
    await mesh.score(x_ms_request_timeout_ms="1")
    await mesh.work("blue")
    await mesh.score()
    offered = None
    while offered is None or offered["accepted"] != 1:
        said = await mesh.beats.next()
        offered = said.offered.get(f"{mesh.endpoint}/blue")

    assert offered == {"accepted": 1, "refused": 0, "timed_out": 1}
    assert said.url == mesh.gateway.url
    assert said.memory_bytes > 0


async def test_heartbeat_says_how_long_answers_took(mesh):
    """Each answer is in one bucket of its deployment."""
    await mesh.work("blue")
    await mesh.score()
    latency = []
    while not sum(latency):
        said = await mesh.beats.next()
        latency = said.latency.get(f"{mesh.endpoint}/blue", [])

    assert (len(latency), sum(latency)) == (len(LATENCY_BUCKETS_S) + 1, 1)


async def test_who_listens_everywhere_is_told_by_the_name_of_its_machine(nats_url, open_mesh):
    """0.0.0.0 is no address for a client: scoring URIs start with a name that can be looked up."""
    mesh = await open_mesh(nats_url, host="0.0.0.0")

    said = await mesh.beats.next()

    assert urlsplit(said.url).hostname == socket.gethostname().lower()


async def test_access_records_come_in_batches(mesh):
    """Many requests make one message; each has its record."""
    batches = asyncio.Queue()
    await mesh.bus.subscribe(subjects.traffic(mesh.endpoint), batches.put)
    await mesh.work("blue")
    answers = [await mesh.score(b"1234", user_agent="pytest") for _ in range(3)]
    refused = await mesh.score(azureml_model_deployment="red")

    batch = wire.decode((await batches.get()).data, wire.AccessBatch)

    assert [record.request_id for record in batch.records] == [
        answer.headers["x-request-id"] for answer in (*answers, refused)
    ]
    first, last = batch.records[0], batch.records[-1]
    assert (first.status, first.deployment, first.instance) == (200, "blue", "i1")
    assert (first.request_bytes, first.response_bytes, first.user_agent) == (4, 4, "pytest")
    assert (first.queued_ms, first.run_ms) == (0.5, 1.25)
    assert (last.status, last.deployment) == (404, "")


async def test_access_log_may_be_off(nats_url, open_mesh):
    """Without an access log nothing is published."""
    mesh = await open_mesh(nats_url, access_log=False)
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)
    await mesh.work("blue")

    assert (await mesh.score()).status == 200

    assert mesh.gateway._traffic is None


async def test_metrics_count_requests(mesh):
    """Requests by status, latency by part, and what is out."""
    await mesh.work("blue")
    await mesh.score()
    client = await mesh.client()

    text = (await client.ask("GET", "/metrics")).body.decode()

    labels = f'deployment="blue",endpoint="{mesh.endpoint}"'
    assert f'mesh_gateway_requests_total{{{labels},status="200"}} 1.0' in text
    assert f'mesh_gateway_latency_seconds_count{{{labels},part="run"}} 1.0' in text
    assert "mesh_gateway_in_flight 0.0" in text


async def test_health_routes(mesh):
    """Alive, and ready while the broker is there."""
    client = await mesh.client()

    assert (await client.ask("GET", "/healthz")).status == 200
    assert (await client.ask("GET", "/readyz")).status == 200


async def test_browsers_may_call_from_named_origins(nats_url, open_mesh):
    """With CORS on, a preflight and the answer itself name the origin."""
    mesh = await open_mesh(nats_url, cors_origins=["https://a.example"])
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)
    await mesh.work("blue")
    client = await mesh.client()

    preflight = await client.ask("OPTIONS", mesh.path, origin="https://a.example")
    other = await client.ask("OPTIONS", mesh.path, origin="https://b.example")
    answer = await mesh.score(origin="https://a.example")

    assert (preflight.status, other.status) == (204, 403)
    allowed = "access-control-allow-origin"
    assert preflight.headers[allowed] == answer.headers[allowed] == "https://a.example"


async def test_too_large_body_is_refused_and_recorded(nats_url, open_mesh):
    """413 has a request id like every other answer."""
    mesh = await open_mesh(nats_url, max_request_bytes=1000)
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)

    answer = await mesh.score(b"x" * 1001)

    assert answer.status == 413
    assert "x-request-id" in answer.headers


async def test_largest_body_of_a_message_is_served(nats_url, open_mesh):
    """A body of the largest size the broker takes goes through, headers and all."""
    mesh = await open_mesh(nats_url, inline_request_bytes=1 << 30)
    await mesh.deploy("blue")
    await mesh.traffic(blue=100)
    await mesh.work("blue")
    body = os.urandom(mesh.gateway._bus.max_body_bytes)

    answer = await mesh.score(body)

    assert (answer.status, len(answer.body)) == (200, len(body))


@pytest.mark.parametrize("asked_before", [True, False], ids=["used", "fresh"])
async def test_who_asks_as_the_gateway_leaves_is_told(mesh, asked_before):
    """A connection that is open as the drain begins has one more answer, which says `close`."""
    await mesh.work("blue")
    client, key = await mesh.client(), "Bearer secret"
    if asked_before:
        assert (await client.ask("POST", mesh.path, b"1", authorization=key)).status == 200
    else:
        await mesh.score()  # a connection made later: the first one is accepted by now
    closing = asyncio.create_task(mesh.gateway._server.close(5.0))
    await asyncio.sleep(0)

    answer = await client.ask("POST", mesh.path, b"2", authorization=key)

    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await closing == 0


async def test_program_drains_on_sigterm(mesh, tmp_path):
    """SIGTERM: what is out is answered, the heartbeat says goodbye, the exit code is 0."""
    settings = Settings(
        state_dir=str(tmp_path),
        nats=NatsSettings(url=f"nats://{mesh.bus.url}"),
        gateway=GatewaySettings(port=0),
    )
    (tmp_path / "settings.json").write_bytes(settings.to_json())
    leaving = asyncio.Event()

    async def watch(message):
        said = wire.decode(message.data, wire.GatewayHeartbeat)
        if said.leaving:
            leaving.set()

    await mesh.bus.subscribe(subjects.GATEWAY_HEARTBEATS, watch)
    read_end, write_end = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "--settings", str(tmp_path / "settings.json"),
        pass_fds=[write_end], env={**os.environ, "MESH_READY_FD": str(write_end)},
    )  # fmt: skip
    os.close(write_end)
    record = msgspec.json.decode(await asyncio.to_thread(os.read, read_end, 65536))
    os.close(read_end)
    client = await Client.open(int(record["url"].rsplit(":", 1)[1]))
    client.request("POST", mesh.path, b"last", authorization="Bearer secret")
    worker = await mesh.work("blue", lambda message: None)
    await worker.arrived.wait()

    process.send_signal(signal.SIGTERM)
    await leaving.wait()
    held = worker.seen[0]
    await mesh.bus.publish(held.headers[wire.REPLY], b"done", headers={wire.STATUS: "200"})

    assert (await client.answer()).body == b"done"
    assert await process.wait() == 0
    await client.close()
