"""What passes through the door: messages, subscriptions, and the errors of the broker.

Ring: adapter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar, Final, Protocol

import nats.errors
from nats.aio.msg import Msg

from mesh.errors import (
    BusError,
    BusTimeoutError,
    MeshError,
    NoRespondersError,
    PayloadTooLargeError,
)

FOREIGN: Final[dict[type[BaseException], type[MeshError]]] = {
    nats.errors.MaxPayloadError: PayloadTooLargeError,
    nats.errors.NoRespondersError: NoRespondersError,
    nats.errors.TimeoutError: BusTimeoutError,
    TimeoutError: BusTimeoutError,
    nats.errors.Error: BusError,
    OSError: BusError,
}


class Message(Protocol):
    """A message as a callback gets it. `headers` is None when there are none."""

    @property
    def subject(self) -> str:
        """Where it was published."""

    @property
    def reply(self) -> str:
        """Where an answer is expected; for a pulled message, where it is acknowledged."""

    @property
    def data(self) -> bytes:
        """The body."""

    @property
    def headers(self) -> dict[str, str] | None:
        """The headers, None if there are none."""


Callback = Callable[[Msg], Awaitable[None]]


class Subscription(Protocol):
    """A running subscription."""

    @property
    def delivered(self) -> int:
        """Messages handed to the callback so far."""

    async def unsubscribe(self) -> None:
        """Stop at once; what has arrived and is not yet delivered is lost."""


class ApiError(BusError):
    """The broker refused an operation on a stream, a consumer or a bucket."""

    code: ClassVar[str] = "bus_refused"

    def __init__(
        self, message: str | None = None, *, err_code: int = 0, status: int = 0, **context: object
    ) -> None:
        super().__init__(message, **context)
        self.err_code = err_code
        self.status = status
