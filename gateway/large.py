"""Large bodies of scoring requests, both ways: how long they live, and how much of them is here.

Ring: service.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from gateway.call import Call, KeyedCall
from gateway.download import download
from gateway.edge import Response
from gateway.ledger import Answered
from gateway.shadow import SHADOW_TTL_S
from gateway.shares import Shares
from gateway.submission import PREFER, prefers_async
from gateway.terms import Allowed, read_terms
from gateway.upload import Ends, Store, Upload
from mesh import bodies, claims, wire
from mesh.bus import Bus
from mesh.claims import MARGIN_S, TRANSFER_S, Claim
from mesh.errors import BackendError, MeshError, RequestError
from mesh.jobs import RUNNING_S
from mesh.tasks import end

log = logging.getLogger("gateway.large")


class Told(NamedTuple):
    """Who hears of an answer; neither is called if the client has gone."""

    written: Callable[[Call, Response, Answered], None]
    refused: Callable[[Call, MeshError], None]


class LargeBodies:
    """Uploads and downloads of this gateway."""

    def __init__(self, bus: Bus, allowed: Allowed) -> None:
        self._bus = bus
        self._allowed = allowed
        self._shares = Shares()
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<LargeBodies {self._shares.open} open>"

    async def close(self) -> None:
        """Give up what is under way: its clients are gone."""
        await end(self._tasks)

    def upload(self, call: Call, ends: Ends) -> Upload:
        """Take in the body of an admitted request."""
        source = call.exchange.connection.pipe
        digest = hashlib.sha256() if isinstance(call, KeyedCall) else None
        return Upload(self._bus, source, ends, Store(self._life_s(call), self._shares, digest))

    def _life_s(self, call: Call) -> float:
        """How long a body must live from now on: as long as anybody may want to run it."""
        headers = call.exchange.headers
        if PREFER in headers and prefers_async(headers[PREFER]):
            return TRANSFER_S + self._wait_s(headers) + RUNNING_S + MARGIN_S
        if isinstance(call, KeyedCall):  # it has no deployment yet
            targets = call.exchange.route.targets.values()
            life_s = max((target.timeout_s for target in targets), default=0.0)
            return TRANSFER_S + max(life_s, SHADOW_TTL_S) + SHADOW_TTL_S + MARGIN_S
        life_s = call.timeout_s
        if call.mirror is not None:
            life_s = max(life_s, SHADOW_TTL_S) + SHADOW_TTL_S
        return TRANSFER_S + life_s + MARGIN_S

    def _wait_s(self, headers: dict[bytes, bytes]) -> float:
        """How long a queued request may wait; what asks for what cannot be had is refused later."""
        try:
            return read_terms(headers, time.time(), self._allowed).timeout_s
        except RequestError:
            return 0.0

    def answer(
        self, call: Call, response: Response, said: Answered, lines: bytes, told: Told
    ) -> None:
        """Hand on an answer whose body is in the broker."""
        task = asyncio.create_task(self._answer(call, response, said, lines, told))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(
        self, call: Call, response: Response, said: Answered, lines: bytes, told: Told
    ) -> None:
        self._shares.open += 1
        try:
            claim = claims.parse(response.said[wire.BODY])
            is_written = await self._hand_on(call, response, claim, lines)
        except MeshError as error:
            told.refused(call, error)
        except Exception:  # a bug: its client is told, and waits no longer
            log.exception("large.broken request=%s", call.request_id)
            told.refused(call, MeshError())
        else:
            if is_written:
                told.written(call, response, said._replace(response_bytes=claim.size_bytes))
        finally:
            self._shares.open -= 1

    async def _hand_on(self, call: Call, response: Response, claim: Claim, lines: bytes) -> bool:
        exchange = call.exchange
        if exchange.takes_pieces:
            begin = partial(exchange.begin, response, lines)
            reader, window = exchange.connection.pipe, self._shares.window
            is_written = await download(self._bus, claim, reader, begin, window)
            if is_written:
                exchange.end()
            return is_written
        limit = self._bus.max_body_bytes
        if claim.size_bytes > limit:
            raise BackendError(
                f"the answer of {claim.size_bytes} bytes is larger than the {limit} bytes that a "
                f"message may have: ask over HTTP"
            )
        body = await bodies.read(self._bus, claim)
        exchange.respond(response._replace(body=body), lines)
        return True
