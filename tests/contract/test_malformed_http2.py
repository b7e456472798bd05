"""Whatever frames a client sends, the server answers or says goodbye, and lives on."""

import asyncio
import socket
import struct

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.doorway import PREFACE
from gateway.http2head import check_head, read_head
from gateway.server import HttpServer
from mesh.errors import RequestError
from tests.contract.test_malformed_http import Yes, _talk
from tests.rawhttp2 import Client2

SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
GET = bytes.fromhex("8284410168")  # GET, /, http, without a scheme that is in order
KINDS = range(12)
DATA, HEADERS, PRIORITY, RST, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 2, 3, 5, 6, 7, 8, 9


def frame(kind, payload=b"", flags=0, number=0, length=None):
    """A frame, with a length that may be a lie."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", number) + payload


frames = st.builds(
    frame,
    st.sampled_from(KINDS),
    st.one_of(st.binary(max_size=40), st.sampled_from([GET, bytes(4), bytes(8)])),
    st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D, 0xFF]),
    st.sampled_from([0, 1, 2, 3, 5, 2**31 - 1]),
    st.one_of(st.none(), st.sampled_from([0, 5, 2**24 - 1])),
)


def good():
    """A request that is in order, as a client's first flight."""
    client = H2Connection(H2Configuration())
    client.initiate_connection()
    head = [(":method", "POST"), (":path", "/score"), (":scheme", "http"), (":authority", "h")]
    client.send_headers(1, head)
    client.send_data(1, b"ok", end_stream=True)
    return client.data_to_send()


async def _survives(data):
    """What the server says to these bytes; afterwards it serves others as before."""
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    yes = Yes()
    server = await HttpServer.open(socket.create_server(("127.0.0.1", 0)), yes, yes)
    answer = await _talk(server.port, data)
    other = await Client2.open(server.port)
    afterwards = await other.ask("/score", b"ok")
    await other.close()
    await server.close(0)
    assert failures == []
    assert (afterwards.status, afterwards.body) == (200, b"yes")
    return answer


@settings(max_examples=200, deadline=None)
@given(st.lists(frames, max_size=12))
@example([frame(HEADERS, GET, 4, 1)] * 3)
def test_server_survives_any_frames(given_frames):
    """No frames crash or hang the server."""
    asyncio.run(_survives(PREFACE + SETTINGS + b"".join(given_frames)))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(len(PREFACE), len(good())))
def test_server_survives_a_spoilt_request(junk, at):
    """Bytes put anywhere into a good flight spoil that connection at most."""
    asyncio.run(_survives(good()[:at] + junk + good()[at:]))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(DATA, b"x", 1, 1), ErrorCodes.PROTOCOL_ERROR, id="data of no stream"),
        pytest.param(frame(HEADERS, GET, 5, 2), ErrorCodes.PROTOCOL_ERROR, id="even stream"),
        pytest.param(frame(HEADERS, GET, 5, 0), ErrorCodes.PROTOCOL_ERROR, id="head of stream 0"),
        pytest.param(frame(HEADERS, b"\xff" * 9, 5, 1), None, id="no HPACK"),
        pytest.param(frame(CONTINUATION, GET, 4, 1), ErrorCodes.PROTOCOL_ERROR, id="continuation"),
        pytest.param(frame(PING, b"1234"), ErrorCodes.FRAME_SIZE_ERROR, id="short ping"),
        pytest.param(frame(WINDOW, bytes(4)), ErrorCodes.PROTOCOL_ERROR, id="window by nothing"),
        pytest.param(frame(WINDOW, b"\x7f" + b"\xff" * 3), None, id="window overflow"),
        pytest.param(
            frame(DATA, bytes(40_000), 0, 1, 2**24 - 1), ErrorCodes.FRAME_SIZE_ERROR, id="huge"
        ),
        pytest.param(frame(PUSH, bytes(4) + GET, 4, 1), ErrorCodes.PROTOCOL_ERROR, id="push"),
        pytest.param(
            frame(HEADERS, GET, 1, 1) + frame(CONTINUATION, b"", 0, 1) * 100,
            ErrorCodes.PROTOCOL_ERROR,
            id="endless continuation",
        ),
    ],
)
async def test_what_breaks_the_protocol_is_told(sent, code):
    """The connection ends with a GOAWAY that says why."""
    answer = await _survives(PREFACE + SETTINGS + sent)

    last = answer[-17:]
    assert last[3] == GOAWAY
    told = struct.unpack(">I", last[-4:])[0]
    assert told == code if code is not None else told != ErrorCodes.NO_ERROR


@pytest.mark.parametrize(
    "change",
    [
        {":path": None},
        {":path": ""},
        {":path": "score"},
        {":method": None},
        {":scheme": None},
        {":protocol": "websocket"},
        {"X-Upper": "y"},
        {"x y": "z"},
        {"connection": "close"},
        {"transfer-encoding": "chunked"},
        {"te": "gzip"},
        {"content-length": "0", "Content-Length": "x"},
        {"x": "a\r\nb: c"},
        {"x": "zero\0"},
        {"x": " blank"},
        {"": "no name"},
    ],
    ids=repr,
)
async def test_head_that_is_not_in_order_is_refused_alone(change):
    """400 on its own stream: those beside it are not harmed."""
    yes = Yes()
    server = await HttpServer.open(socket.create_server(("127.0.0.1", 0)), yes, yes)
    client = await Client2.open(server.port)
    known = {":method": "POST", ":path": "/score", ":scheme": "http", ":authority": "h"}
    head = [(name, text) for name, text in (known | change).items() if text is not None]

    number = client.conn.get_next_available_stream_id()
    client.bodies[number] = b""
    client.conn.send_headers(number, head, end_stream=True)
    client.flush()
    refused = await client.answer(number)
    other = await client.ask("/score", b"x")
    await client.close()
    await server.close(0)

    assert (refused.status, other.status) == (400, 200)


@pytest.mark.parametrize(
    "added",
    [
        [(b"x", b"y"), (b":authority", b"h")],
        [(b":path", b"/other")],
        [(b"content-length", b"1"), (b"content-length", b"x")],
    ],
)
def test_late_and_repeated_fields_are_refused(added):
    """A pseudo-header after a header is none, nor is a second one."""
    head = read_head([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), *added])

    with pytest.raises(RequestError):
        check_head(head)
