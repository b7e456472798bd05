"""What the gateway needs of HTTP/2, held against both ways through it (ADR 0002)."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator

import httpx
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from gateway.http2 import RESETS, SEND_TIMEOUT_S
from gateway.http2link import MAX_STREAMS
from gateway.protocol import BODY_TIMEOUT_S, IDLE_TIMEOUT_S
from gateway.server import HttpServer
from tests.echo import HANG, LIMIT_BYTES
from tests.rawhttp import Client
from tests.rawhttp2 import Client2

ways = pytest.mark.parametrize("path", ["/score", "/asgi"])


@pytest.fixture
async def client(server: HttpServer) -> AsyncIterator[Client2]:
    client = await Client2.open(server.port)
    yield client
    await client.close()


@ways
async def test_requests_share_a_connection(client, path):
    """Many requests go over one connection, at the same time."""
    numbers = [client.request(path, b"%d" % number) for number in range(100)]

    answers = [await client.answer(number) for number in numbers]

    assert [answer.body for answer in answers] == [b"%d" % number for number in range(100)]
    assert {answer.status for answer in answers} == {200}
    assert "date" in answers[0].headers


@ways
async def test_a_library_that_others_use_is_served(server, path):
    """httpx with prior knowledge, a hundred at once."""
    url = f"http://127.0.0.1:{server.port}{path}"
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        asked = [client.post(url, content=b"%d" % number) for number in range(100)]
        answers = await asyncio.gather(*asked)

    assert {answer.http_version for answer in answers} == {"HTTP/2"}
    assert [answer.content for answer in answers] == [b"%d" % number for number in range(100)]


async def test_http1_is_served_on_the_same_port(server, client):
    """A connection's first bytes say what it is, however they are cut."""
    old = await Client.open(server.port)
    old.send(b"P")
    await client.ask("/score", b"x")  # when it is answered, the piece has arrived too
    old.send(b"OST /score HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nok")

    assert (await old.answer()).body == b"ok"
    await old.close()


async def test_preface_may_come_in_pieces(server):
    """Byte by byte, as the network likes."""
    client = Client2(*await asyncio.open_connection("127.0.0.1", server.port))
    client.conn.initiate_connection()
    number = client.conn.get_next_available_stream_id()
    client.bodies[number] = b""
    client.conn.send_headers(
        number,
        [(":method", "GET"), (":path", "/score"), (":scheme", "http"), (":authority", "h")],
        end_stream=True,
    )
    for byte in client.conn.data_to_send():
        client.writer.write(bytes([byte]))
        await client.writer.drain()

    assert (await client.answer(number)).status == 200
    await client.close()


@ways
async def test_slow_request_holds_nobody_up(client, echo, path):
    """What is asked later is answered first."""
    slow = client.request(path, HANG)
    await echo.arrived.wait()

    quick = await client.ask(path, b"quick")
    echo.release.set()

    assert quick.body == b"quick"
    assert (await client.answer(slow)).body == HANG


@ways
async def test_large_bodies_pass_in_both_directions(client, echo, path):
    """In frames, as far as the windows allow, until all is there."""
    echo.max_body_bytes = echo.inline_bytes = 4_000_000
    body = bytes(range(256)) * 12_000
    number = client.begin(path)
    left = memoryview(body)
    while left:
        await client.until(lambda: client.conn.local_flow_control_window(number) > 0)
        room = client.conn.local_flow_control_window(number)
        client.send(number, bytes(left[:room]), ends=room >= len(left))
        left = left[room:]

    answer = await client.answer(number)

    assert answer.body == body


@ways
async def test_answer_waits_for_the_clients_window(client, echo, path):
    """What a client does not take is not sent, and holds up nobody else."""
    client.takes = False
    client.conn.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    client.flush()
    number = client.request(path, b"x" * 3000)
    await client.until(lambda: len(client.bodies[number]) >= 1000)
    other = await client.ask(path, b"other")

    assert len(client.bodies[number]) == 1000
    assert other.body == b"other"

    client.conn.increment_flow_control_window(5000, number)
    client.flush()
    assert len((await client.answer(number)).body) == 3000


async def test_a_larger_window_set_later_counts(client):
    """A change of the client's settings lets answers go on that have begun."""
    client.takes = False
    client.conn.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
    client.flush()
    number = client.request("/score", b"x" * 100)
    await client.until(lambda: client.bodies[number])

    client.conn.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    client.flush()

    assert len((await client.answer(number)).body) == 100


@ways
async def test_reset_tells_that_the_client_has_gone(client, echo, path):
    """One request is cancelled, its connection goes on."""
    number = client.request(path, HANG)
    await echo.arrived.wait()

    client.reset(number)

    await asyncio.wait_for(echo.gone.wait(), 2)
    assert (await client.ask(path, b"x")).body == b"x"


@ways
async def test_lost_connection_tells_that_the_client_has_gone(client, echo, path):
    """As over HTTP/1.1."""
    client.request(path, HANG)
    await echo.arrived.wait()

    await client.close()

    await asyncio.wait_for(echo.gone.wait(), 2)


async def test_request_taken_back_at_once_is_never_begun(client, echo):
    """Head and reset in one packet start nothing."""
    number = client.conn.get_next_available_stream_id()
    head = [(":method", "POST"), (":path", "/score"), (":scheme", "http"), (":authority", "h")]
    client.conn.send_headers(number, head)
    client.conn.send_data(number, HANG, end_stream=True)
    client.conn.reset_stream(number)
    client.flush()

    assert (await client.ask("/score", b"x")).body == b"x"
    assert not echo.arrived.is_set()


async def test_too_many_resets_end_the_connection(client):
    """A client that asks and takes back without end costs no more than its allowance."""
    for _ in range(2 * RESETS + 10):
        client.reset(client.begin("/score"))

    assert await client.is_closed()
    assert client.goodbye.error_code == ErrorCodes.ENHANCE_YOUR_CALM


async def test_more_streams_than_allowed_are_refused_and_the_others_served(client, echo):
    """Those that came before our settings were read may be sent again."""
    numbers = [client.request("/score", HANG) for _ in range(MAX_STREAMS + 5)]
    await client.until(lambda: len(client.resets) == 5)
    echo.release.set()

    answers = [await client.answer(number) for number in numbers[:MAX_STREAMS]]

    assert set(client.resets) == set(numbers[MAX_STREAMS:])
    assert set(client.resets.values()) == {ErrorCodes.REFUSED_STREAM}
    assert {answer.body for answer in answers} == {HANG}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("x-long", "x" * 40_000)], id="one long header"),
        pytest.param([(f"x-{number}", "y") for number in range(200)], id="many headers"),
    ],
)
async def test_large_head_is_refused_and_the_connection_goes_on(client, headers):
    """431 is about one request, not about its neighbours."""
    refused = await client.ask("/score", b"x", *headers)

    assert refused.status == 431
    assert (await client.ask("/score", b"x")).status == 200


async def test_endless_head_ends_the_connection(client):
    """A head without an end does not fill our memory."""
    number = client.begin("/score", *[(f"x-{n}", "y" * 4000) for n in range(100)])

    assert await client.is_closed()
    assert number not in client.heads


@pytest.mark.parametrize("announced", [True, False])
async def test_body_that_is_too_large_is_refused_before_it_is_there(client, announced):
    """By its length, or as it grows; the client is told to stop, and goes on with others."""
    length = [("content-length", str(LIMIT_BYTES + 1))] if announced else []
    number = client.begin("/score", *length)
    if not announced:
        for _ in range(3):
            client.send(number, b"x" * 20_000)
        await client.until(lambda: client.conn.local_flow_control_window(number) > 50_000)
        client.send(number, b"x" * 45_000)

    refused = await client.answer(number)
    await client.until(lambda: number in client.resets)

    assert refused.status == 413
    assert client.resets[number] == ErrorCodes.NO_ERROR
    assert "connection" not in refused.headers
    assert (await client.ask("/score", b"x")).status == 200


async def test_rest_of_a_refused_body_may_still_come(client):
    """It is dropped, and not cut off: many clients take a reset for the end of their answer."""
    size_bytes = LIMIT_BYTES + 1
    number = client.begin("/score", ("content-length", str(size_bytes)))
    refused = await client.answer(number)

    client.send(number, b"x" * 50_000)
    await client.until(lambda: client.conn.local_flow_control_window(number) >= size_bytes - 50_000)
    client.send(number, b"x" * (size_bytes - 50_000), ends=True)
    other = await client.ask("/score", b"x")

    assert (refused.status, other.status) == (413, 200)
    assert number not in client.resets


@ways
async def test_expecting_client_is_told_to_go_on(client, path):
    """A client that asks first is told to send the body, when its head is in order."""
    number = client.begin(path, ("expect", "100-continue"), ("content-length", "2"))
    await client.until(lambda: client.told)
    client.send(number, b"ok", ends=True)

    assert (await client.answer(number)).body == b"ok"


async def test_chunks_are_sent_as_they_come(client, echo):
    """A client reads the first chunk while the second does not exist yet."""
    number = client.request("/asgi/chunks")
    await client.until(lambda: client.bodies[number])

    assert client.bodies[number] == b"first"

    echo.release.set()
    assert (await client.answer(number)).body == b"firstsecond"


@ways
async def test_drain_answers_what_is_begun(server, client, echo, path):
    """A stop says goodbye, refuses what comes later, and cuts nobody off."""
    number = client.request(path, HANG)
    await echo.arrived.wait()

    closing = asyncio.create_task(server.close(5))
    await client.until(lambda: client.goodbye)
    echo.release.set()

    assert client.goodbye.error_code == ErrorCodes.NO_ERROR
    assert await closing == 0
    assert (await client.answer(number)).body == HANG


async def test_drain_closes_idle_connections_at_once(server, client):
    """A connection that only waits does not hold a stop up."""
    await client.ask("/score", b"x")

    assert await server.close(5) == 0
    assert await client.is_closed()


async def test_client_that_says_goodbye_gets_its_answers(client, echo):
    """It opens no more streams; those it has opened are served, then the connection ends."""
    number = client.request("/score", HANG)
    await echo.arrived.wait()
    client.writer.write(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8))
    await asyncio.sleep(0)
    echo.release.set()

    assert (await client.answer(number)).body == HANG
    assert await client.is_closed()


@pytest.mark.parametrize(
    ("sent", "limit_s"),
    [("nothing", IDLE_TIMEOUT_S), ("half a body", BODY_TIMEOUT_S), ("no window", SEND_TIMEOUT_S)],
)
async def test_slow_clients_are_let_go(server, client, sent, limit_s):
    """Neither a request that never comes whole nor an answer nobody takes is kept for ever."""
    number = 0
    if sent == "half a body":
        number = client.begin("/score", ("content-length", "9"))
        client.send(number, b"ab")
    elif sent == "no window":
        client.takes = False
        client.conn.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
        number = client.request("/score", b"x" * 100)
    await client.ask("/score")  # when it is answered, ours has arrived too
    now_s = asyncio.get_running_loop().time()

    server.sweep(now_s + limit_s - 5)
    assert server.connections == 1
    server.sweep(now_s + limit_s + 5)

    await client.until(lambda: client.resets if number else False)
    assert client.resets if number else client.goodbye


async def test_waiting_for_an_answer_is_not_slow(server, client, echo):
    """Only the deadline of the request ends the wait for its answer."""
    number = client.request("/score", HANG)
    await echo.arrived.wait()

    server.sweep(asyncio.get_running_loop().time() + 1000)
    echo.release.set()

    assert (await client.answer(number)).body == HANG


async def test_failure_of_ours_is_500_and_logged(client, echo, caplog):
    """A bug of ours is not blamed on the client, not hidden, and costs nobody else."""
    find, echo.find = echo.find, None

    assert (await client.ask("/score", b"x")).status == 500
    assert "http2.failed" in caplog.text

    echo.find = find
    assert (await client.ask("/score", b"x")).status == 200


async def test_failure_of_the_application_is_500(client, echo, caplog):
    """An exception there ends one request."""
    echo.release = None

    assert (await client.ask("/asgi", HANG)).status == 500
    assert "http2.application_failed" in caplog.text
    echo.release = asyncio.Event()


async def test_head_gets_no_body(client):
    """But its length."""
    number = client.begin("/asgi", ends=True, method="HEAD")

    answer = await client.answer(number)

    assert (answer.status, answer.body) == (200, b"")


async def test_cookies_and_host_arrive_as_over_http1(client, echo):
    """The pieces of a cookie are one header; the authority is the host."""
    seen = {}
    echo.find = lambda method, url, headers: seen.update(headers)

    await client.ask("/asgi", b"x", ("cookie", "a=1"), ("cookie", "b=2"))

    assert (seen[b"cookie"], seen[b"host"]) == (b"a=1; b=2", b"localhost")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
async def test_tls_chooses_by_alpn(echo, tmp_path):
    """A client that offers h2 gets it, one that does not gets HTTP/1.1."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=h"
    command = ["openssl", *words.split(), "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    sock = socket.create_server(("127.0.0.1", 0))
    server = await HttpServer.open(sock, echo, echo, tls)
    trusting = ssl.create_default_context(cafile=str(certificate))
    trusting.check_hostname = False

    async with (
        httpx.AsyncClient(http2=True, verify=trusting) as new,
        httpx.AsyncClient(verify=trusting) as old,
    ):
        url = f"https://127.0.0.1:{server.port}/score"
        answers = [await client.post(url, content=b"x") for client in (new, old)]
    await server.close(0)

    assert [(one.http_version, one.content) for one in answers] == [
        ("HTTP/2", b"x"),
        ("HTTP/1.1", b"x"),
    ]


async def test_body_that_the_application_leaves_unread_gives_its_room_back(echo):
    """Requests that are refused before their bodies are read do not stop the connection."""
    may_refuse = asyncio.Event()

    async def refuse(scope, receive, send):
        await may_refuse.wait()
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    server = await HttpServer.open(socket.create_server(("127.0.0.1", 0)), echo, refuse)
    other = await Client2.open(server.port)
    await other.ask("/score", b"x")  # our settings are read
    for _ in range(12):  # of a MiB each: more than the connection's window
        may_refuse.clear()
        number = other.begin("/asgi")
        while (room := other.conn.local_flow_control_window(number)) > 0:
            other.send(number, b"x" * min(room, 65_536))
        await other.ask("/score")  # when it is answered, the body has arrived too
        may_refuse.set()
        assert (await other.answer(number)).status == 404

    assert (await other.ask("/score", b"x")).status == 200
    await other.close()
    await server.close(0)
