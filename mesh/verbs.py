"""Asking the management service: one verb, one answer. Ring: adapter."""

from __future__ import annotations

import asyncio
from typing import Final, TypeVar

import msgspec

from mesh import subjects
from mesh.api import Answer
from mesh.bus import Bus
from mesh.errors import (
    BusError,
    BusTimeoutError,
    NoRespondersError,
    ProtocolError,
    error_class,
)

SERVICE_AWAY_S: Final = 5.0
RETRY_S: Final = 0.25

T = TypeVar("T")


class Verbs:
    """The client side of `mesh.api`."""

    def __init__(self, bus: Bus, timeout_s: float, away_s: float = SERVICE_AWAY_S) -> None:
        """Use a connection.

        Args:
            bus: the connection.
            timeout_s: seconds a verb may take.
            away_s: seconds to wait for the service while it restarts.
        """
        self._bus = bus
        self._timeout_s = timeout_s
        self._away_s = away_s

    async def call(self, verb: str, request: msgspec.Struct, result: type[T]) -> T:
        """Ask, and decode the result.

        Raises:
            MeshError: the class that the answer's code names, with the service's message.
            BusError: the service is away.
            BusTimeoutError: it did not answer in time; what was asked may still be done.
        """
        body = await self._ask(verb, msgspec.json.encode(request))
        try:
            answer = msgspec.json.decode(body, type=Answer)
            if answer.error is None:
                return msgspec.json.decode(answer.result, type=result)
        except msgspec.MsgspecError as exc:
            raise ProtocolError(f"the answer to {verb} is not understood: {exc}") from exc
        raise error_class(answer.error.code)(answer.error.message)

    async def _ask(self, verb: str, body: bytes) -> bytes:
        """Ask; while the service restarts nobody takes the verb, so it is safe to repeat."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._away_s
        while True:
            try:
                subject, timeout_s = subjects.api(verb), self._timeout_s
                return (await self._bus.request(subject, body, timeout_s=timeout_s)).data
            except NoRespondersError as exc:
                if loop.time() >= until_s:
                    raise BusError(
                        f"the management service of the mesh at {self._bus.url} is away: "
                        "see 'mesh status'"
                    ) from exc
            except BusTimeoutError as exc:
                raise BusTimeoutError(
                    f"no answer to {verb} within {self._timeout_s:g} s; it may still be done"
                ) from exc
            await asyncio.sleep(RETRY_S)  # nothing tells us when the service is back
