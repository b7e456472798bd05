"""Reading a shared stream back: the newest messages of a subject, then what comes after.

Used by people's tools only, so it pulls with a consumer of its own that the broker forgets by
itself. Knows streams and sequences, not what the messages hold. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from mesh.bus import Bus, Message
from mesh.clock import NS
from mesh.errors import BusError

WINDOWS_S: Final = (60, 3600, 86_400)
BATCH: Final = 256
EXPIRES_S: Final = 20.0
HEARTBEAT_S: Final = 1.0
SILENCE_S: Final = 3.0
FORGET_S: Final = 30
RETRY_S: Final = 0.5


class Past(NamedTuple):
    """A message of a stream. `pending` counts those after it that existed when it was sent."""

    subject: str
    data: bytes
    seq: int
    pending: int


async def read(
    bus: Bus, stream: str, subject: str, *, newest: int | None = None, follow: bool = False
) -> AsyncGenerator[Past]:
    """Yield the messages of a stream that match a subject, oldest first.

    Args:
        bus: the connection.
        stream: the stream's name.
        subject: which of its messages; wildcards are allowed.
        newest: how many the caller needs at least; more may come. None for all.
        follow: go on with those that arrive later, through restarts of the broker, for ever.

    Raises:
        BusError: there is no such stream, or, without `follow`, the broker went away.
    """
    reader = _Reader(bus, stream, subject)
    try:
        waiting = await reader.start(newest)
        while follow or waiting:
            waiting = 0  # what does not come has been discarded meanwhile
            try:
                async with contextlib.aclosing(reader.batch()) as batch:
                    async for past in batch:
                        waiting = past.pending
                        yield past
                        if not (follow or waiting):
                            return
            except BusError:
                if not follow:
                    raise
                await asyncio.sleep(RETRY_S)  # the broker is away; nothing tells us it is back
            await reader.resume()
    finally:
        with contextlib.suppress(BusError):
            await reader.close()


class _Reader:
    """One pull consumer and where it stands."""

    def __init__(self, bus: Bus, stream: str, subject: str) -> None:
        self._bus = bus
        self._stream = stream
        self._subject = subject
        self._consumer = ""
        self._last_seq = 0

    async def start(self, newest: int | None) -> int:
        """Stand far enough back to see the `newest`; return how many messages wait."""
        for window_s in WINDOWS_S if newest is not None else ():
            since = datetime.now(UTC) - timedelta(seconds=window_s)
            start = {"deliver_policy": "by_start_time", "opt_start_time": since.isoformat()}
            waiting = await self._create(start)
            if waiting >= (newest or 0):
                return waiting
            await self.close()
        return await self._create({"deliver_policy": "all"})

    async def resume(self) -> None:
        """Make the consumer again behind the last message seen, if it is gone or silent."""
        if self._consumer:
            return
        start: dict[str, Any] = {"deliver_policy": "all"}
        if self._last_seq:
            start = {
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": self._last_seq + 1,
            }
        with contextlib.suppress(BusError):
            await self._create(start)

    async def close(self) -> None:
        """Delete the consumer."""
        consumer, self._consumer = self._consumer, ""
        if consumer and self._bus.is_connected:
            await self._bus.api(f"CONSUMER.DELETE.{self._stream}.{consumer}")

    async def batch(self) -> AsyncGenerator[Past]:
        """Pull once and yield what comes; ends when the pull has ended or the consumer is lost."""
        if not self._consumer:
            raise BusError("the broker is away")
        arrived: asyncio.Queue[Message] = asyncio.Queue()
        inbox = self._bus.new_inbox()
        subscription = await self._bus.subscribe(inbox, arrived.put)
        try:
            await self._pull(inbox)
            for _ in range(BATCH):
                message = await self._next(arrived)
                if message is None:
                    return
                yield self._note(message)
        finally:
            with contextlib.suppress(BusError):
                await subscription.unsubscribe()

    async def _next(self, arrived: asyncio.Queue[Message]) -> Message | None:
        while True:
            try:
                message = await asyncio.wait_for(arrived.get(), SILENCE_S)
            except TimeoutError:
                self._consumer = ""
                return None
            status = (message.headers or {}).get("Status") if not message.data else None
            if status is None:
                return message
            if status == "100":  # only a heartbeat
                continue
            if status != "408":  # anything but "the pull has expired" means the consumer is lost
                self._consumer = ""
            return None

    def _note(self, message: Message) -> Past:
        _, seq, _, _, pending = message.reply.rsplit(".", 4)
        self._last_seq = int(seq)
        return Past(message.subject, message.data, int(seq), int(pending))

    async def _pull(self, inbox: str) -> None:
        request = {
            "batch": BATCH,
            "expires": int(EXPIRES_S * NS),
            "idle_heartbeat": int(HEARTBEAT_S * NS),
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        await self._bus.publish(subject, json.dumps(request).encode(), reply=inbox)

    async def _create(self, start: dict[str, Any]) -> int:
        config = {
            **start,
            "filter_subject": self._subject,
            "ack_policy": "none",
            "mem_storage": True,
            "inactive_threshold": FORGET_S * NS,
        }
        answer = await self._bus.api(
            f"CONSUMER.CREATE.{self._stream}", {"stream_name": self._stream, "config": config}
        )
        self._consumer = answer["name"]
        return int(answer["num_pending"])
