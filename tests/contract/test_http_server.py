"""What the gateway needs of its HTTP server, held against both ways through it (ADR 0002)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from gateway.server import HttpServer
from tests.echo import HANG, LIMIT_BYTES
from tests.rawhttp import Client


@pytest.fixture
async def client(server: HttpServer) -> AsyncIterator[Client]:
    client = await Client.open(server.port)
    yield client
    await client.close()


ways = pytest.mark.parametrize("path", ["/score", "/asgi"])


@ways
async def test_connection_is_kept_alive(client, path):
    """Many requests go over one connection, one after another."""
    answers = [await client.ask("POST", path, b"%d" % number) for number in range(3)]

    assert [answer.body for answer in answers] == [b"0", b"1", b"2"]
    assert "date" in answers[0].headers


@ways
async def test_connection_close_is_honoured(client, path):
    """A client that wants the connection closed gets its answer first."""
    answer = await client.ask("POST", path, b"x", connection="close")

    assert (answer.body, answer.headers["connection"]) == (b"x", "close")
    assert await client.is_closed()


@ways
async def test_chunked_body_arrives_whole(client, path):
    """A body may come in chunks of any size, in any number of packets."""
    client.send(
        b"POST %b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n" % path.encode()
    )
    client.send(b"3\r\nabc\r\n")
    await client.writer.drain()
    client.send(b"2\r\nde\r\n0\r\n\r\n")

    assert (await client.answer()).body == b"abcde"


@ways
async def test_pipelined_requests_are_answered_in_order(client, echo, path):
    """A request sent before the one ahead of it is answered waits for its turn."""
    client.request("POST", path, HANG)
    client.request("POST", path, b"second")
    await echo.arrived.wait()
    echo.release.set()

    assert [(await client.answer()).body for _ in range(2)] == [HANG, b"second"]


async def test_pipelined_requests_may_change_ways(client, echo):
    """Order holds between the two ways through."""
    client.request("POST", "/score", HANG)
    client.request("POST", "/asgi", b"second")
    client.request("POST", "/score", b"third")
    await echo.arrived.wait()
    echo.release.set()

    assert [(await client.answer()).body for _ in range(3)] == [HANG, b"second", b"third"]


@ways
async def test_disconnect_is_told_while_the_handler_waits(client, echo, path):
    """A handler learns at once that its client is gone."""
    client.request("POST", path, HANG)
    await echo.arrived.wait()

    await client.close()

    await asyncio.wait_for(echo.gone.wait(), 2)


async def test_chunks_are_flushed_when_sent(client, echo):
    """A client reads the first chunk while the second does not exist yet."""
    client.request("GET", "/asgi/chunks")
    await client.reader.readuntil(b"\r\n\r\n")
    chunks = client.chunks()

    assert await anext(chunks) == b"first"

    echo.release.set()
    assert [chunk async for chunk in chunks] == [b"second"]


@ways
async def test_drain_answers_what_is_begun(server, client, echo, path):
    """A stop waits for the answer, sends it, and closes; nobody is cut off."""
    client.request("POST", path, HANG)
    await echo.arrived.wait()

    closing = asyncio.create_task(server.close(5))
    echo.release.set()

    assert (await client.answer()).body == HANG
    assert await client.is_closed()
    assert await closing == 0


async def test_drain_lets_an_arriving_request_finish(server, client):
    """A request whose body is still on its way when the stop comes is served."""
    client.send(b"POST /score HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nab")
    other = await Client.open(server.port)
    await other.ask("POST", "/score", b"x")  # when it is answered, ours has arrived too
    await other.close()
    closing = asyncio.create_task(server.close(5))
    await asyncio.sleep(0)
    client.send(b"cd")

    assert (await client.answer()).body == b"abcd"
    await client.is_closed()
    await client.close()
    closing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closing


async def test_drain_cuts_off_what_takes_too_long(server, client, echo):
    """A stop ends in its time; it says how many connections it cut off."""
    client.request("POST", "/score", HANG)
    await echo.arrived.wait()

    assert await server.close(0.01) == 1
    assert echo.gone.is_set() or await client.is_closed()


async def test_drain_closes_idle_connections_at_once(server, client):
    """A connection that only waits does not hold a stop up."""
    await client.ask("POST", "/score", b"x")

    assert await server.close(5) == 0
    assert await client.is_closed()


async def test_answer_goes_out_in_one_piece(client):
    """Head and body come in one packet: half the system calls."""
    client.request("POST", "/score", b"body")

    piece = await client.reader.read(65536)

    assert piece.startswith(b"HTTP/1.1 200 OK\r\n")
    assert piece.endswith(b"\r\n\r\nbody")


async def test_expecting_client_is_told_to_go_on(client):
    """A client that asks first is told to send the body, when its head is in order."""
    client.send(
        b"POST /score HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
    )
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

    client.send(b"ok")

    assert (await client.answer()).body == b"ok"


async def test_announced_body_that_is_too_large_is_refused_at_once(client):
    """413 comes before the body does, and the connection ends."""
    client.send(b"POST /score HTTP/1.1\r\nhost: h\r\ncontent-length: 100001\r\n\r\n")

    answer = await client.answer()

    assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_chunked_body_is_refused_as_it_grows(client):
    """413 comes as soon as the limit is passed, however the body was sent."""
    client.send(b"POST /score HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"%x\r\n%b\r\n" % (LIMIT_BYTES + 1, b"x" * (LIMIT_BYTES + 1))
    client.send(chunk)

    assert (await client.answer()).status == 413

    client.send(b"0\r\n\r\n")
    assert await client.is_closed()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"x-long: " + b"x" * 40_000, id="one long header"),
        pytest.param(b"\r\n".join(b"x-%d: y" % n for n in range(200)), id="many headers"),
    ],
)
async def test_large_head_is_refused(client, head):
    """431 comes before memory fills, for one endless header as for too many."""
    client.send(b"POST /score HTTP/1.1\r\nhost: h\r\n" + head + b"\r\n\r\n")

    assert (await client.answer()).status == 431
    assert await client.is_closed()


async def test_body_after_a_large_head_is_nobodys(client, caplog):
    """A body in the same packet as a head that is refused is no failure of ours."""
    head = b"x-long: " + b"x" * 40_000
    client.send(b"POST /score HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n" + head + b"\r\n\r\nx")

    assert (await client.answer()).status == 431
    assert await client.is_closed()
    assert "protocol.failed" not in caplog.text


async def test_old_http_is_answered_and_closed(client):
    """HTTP/1.0 gets its answer, and the connection ends."""
    client.send(b"POST /score HTTP/1.0\r\ncontent-length: 1\r\n\r\nx")

    assert (await client.answer()).body == b"x"
    assert await client.is_closed()


async def test_nonsense_is_refused_after_what_was_in_order(client, echo):
    """What is no HTTP ends the connection, but not before the request ahead of it is answered."""
    client.request("POST", "/score", HANG)
    await echo.arrived.wait()
    client.send(b"\x00 nonsense\r\n\r\n")
    echo.release.set()

    assert (await client.answer()).body == HANG
    assert await client.is_closed()


async def test_failure_of_ours_is_500_and_logged(client, echo, caplog):
    """A bug of ours is not blamed on the client, and not hidden."""
    echo.find = None

    client.request("POST", "/score", b"x")

    assert (await client.answer()).status == 500
    assert "protocol.failed" in caplog.text


@pytest.mark.parametrize(
    ("sent", "limit_s"),
    [
        pytest.param(b"", 75, id="idle"),
        pytest.param(b"POST /sco", 20, id="half a head"),
        pytest.param(b"POST /score HTTP/1.1\r\ncontent-length: 9\r\n\r\nab", 60, id="half a body"),
    ],
)
async def test_slow_clients_are_closed(server, client, sent, limit_s):
    """A client may not keep a connection for ever with a request that never comes."""
    other = await Client.open(server.port)
    client.send(sent)
    await other.ask("POST", "/score", b"x")  # when it is answered, ours has arrived too
    await other.close()
    now_s = asyncio.get_running_loop().time()

    server.sweep(now_s + limit_s - 5)
    assert server.connections >= 1
    server.sweep(now_s + limit_s + 5)

    assert await client.is_closed()


async def test_waiting_for_an_answer_is_not_slow(server, client, echo):
    """Only the deadline of the request ends the wait for its answer."""
    client.request("POST", "/score", HANG)
    await echo.arrived.wait()

    server.sweep(asyncio.get_running_loop().time() + 1000)
    echo.release.set()

    assert (await client.answer()).body == HANG
