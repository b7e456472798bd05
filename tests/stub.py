"""A worker's side of the wire without a model: pulls from a deployment's lanes and answers.

For tests of the gateway, and as a program for its benchmark: `python -m tests.stub URL E D`.
"""

import asyncio
import sys
from collections.abc import Callable

import uvloop

from mesh import subjects, wire
from mesh.bus import Bus, Message

Answer = Callable[[Message], tuple[bytes, dict[str, str]] | None]
BATCH = 128


def echo(message: Message) -> tuple[bytes, dict[str, str]]:
    """Answer with the body, as a model that has nothing to say."""
    headers = {
        wire.STATUS: "200",
        wire.CONTENT_TYPE: "application/json",
        wire.INSTANCE: "i1",
        wire.TIMING: "0.5,1.25,1",
    }
    return message.data, headers


class StubWorker:
    """Serves one lane with `answer`; a request for which it returns None is held for ever."""

    def __init__(self, bus: Bus, endpoint: str, deployment: str, answer: Answer = echo) -> None:
        self.answer = answer
        self.seen: list[Message] = []
        self.arrived = asyncio.Event()
        self._bus = bus
        self._stream = subjects.work_stream(endpoint, deployment)
        self._credit = 0
        self._keeps = True

    async def start(self, lane: str = "interactive", *, keeps: bool = True) -> "StubWorker":
        """Start to pull; `keeps` False remembers nothing of what it served."""
        self._keeps = keeps
        self._inbox = self._bus.new_inbox()
        self._lane = lane
        await self._bus.subscribe(self._inbox, self._take)
        await self._pull()
        return self

    async def _pull(self) -> None:
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._lane}"
        body = b'{"batch":%d,"expires":30000000000}' % BATCH
        self._credit = BATCH
        await self._bus.publish(subject, body, reply=self._inbox)

    async def _take(self, message: Message) -> None:
        if not message.reply:
            await self._pull()
            return
        self._credit -= 1
        if self._credit <= BATCH // 2:
            await self._pull()
        if self._keeps:
            self.seen.append(message)
            self.arrived.set()
        answered = self.answer(message)
        reply = (message.headers or {}).get(wire.REPLY)
        if answered is None:
            return
        if reply:
            await self._bus.publish(reply, answered[0], headers=answered[1])
        await self._bus.publish(message.reply, b"+ACK")


async def main(url: str, endpoint: str, deployment: str) -> None:
    bus = await Bus.connect(url, name="stub")
    await StubWorker(bus, endpoint, deployment).start(keeps=False)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
