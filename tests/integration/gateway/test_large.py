"""Bodies too large for a message, through a gateway: into the broker and out of it in chunks."""

import asyncio
import hashlib
import os

from mesh import bodies, claims, streams, subjects, wire
from tests.stub import echo

MIB = 1 << 20
TTL_S = 60.0


def claim_in(message):
    """The body that a message names."""
    return claims.parse(message.headers[wire.BODY])


async def stored(mesh) -> int:
    """How many chunks the broker holds."""
    info = await streams.stream_info(mesh.bus, subjects.BODIES_STREAM)
    return info["state"]["messages"]


def named(claim):
    """Answers with a body that lies in the broker."""

    def answer(message):
        return b"", echo(message)[1] | {wire.BODY: str(claim)}

    return answer


async def test_large_request_is_a_claim(mesh):
    """The work message names the body; the body is what came."""
    body = os.urandom(3 * MIB + 7)
    worker = await mesh.work("blue")

    answer = await mesh.score(body)

    assert answer.status == 200, answer
    message = worker.seen[0]
    claim = claim_in(message)
    assert (answer.status, message.data, claim.size_bytes, claim.chunks) == (200, b"", len(body), 4)
    assert await bodies.read(mesh.bus, claim) == body


async def test_small_request_is_whole(mesh):
    """Up to the limit nothing goes through the store."""
    worker = await mesh.work("blue")
    before = await stored(mesh)

    await mesh.score(b"x" * (MIB // 2))

    assert wire.BODY not in worker.seen[0].headers
    assert await stored(mesh) == before


async def test_large_answer_is_streamed(mesh):
    """Its length is known from the start."""
    body = os.urandom(5 * MIB + 1)
    claim = await bodies.write(mesh.bus, "answer-1", body, TTL_S, lambda: None)
    await mesh.work("blue", named(claim))

    answer = await mesh.score()

    assert (answer.status, answer.headers["content-length"]) == (200, str(len(body)))
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()


async def test_body_is_read_through_an_outage(server, open_mesh):
    """Whoever reads it waits until the broker is back: it is still there."""
    mesh = await open_mesh(server.url)
    body, away = os.urandom(2 * MIB), asyncio.Event()
    claim = await bodies.write(mesh.bus, "answer-2", body, TTL_S, lambda: None)
    mesh.bus.on_away(away.set)

    server.kill()
    await away.wait()
    reading = asyncio.create_task(bodies.read(mesh.bus, claim))
    await asyncio.sleep(0)
    server.start()

    assert await reading == body
