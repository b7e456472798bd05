"""Pulling from a stream that all gateways share: one pull at a time, as much as there is room for.

What is pulled and never settled, because this gateway ended, comes again to another one after the
acknowledgement wait. What cannot be said because the broker is away is said when it is back.
Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from mesh import subjects, wire
from mesh.bus import Bus, Message, Outlet, Subscription
from mesh.clock import NS, BrokerClock, Sample, parse_broker_time
from mesh.errors import BusError
from mesh.streams import consumer_info
from mesh.tasks import end

log = logging.getLogger("gateway.intake")

BATCH: Final = 64
EXPIRES_S: Final = 5.0
HEARTBEAT_S: Final = 1.0
SILENCE_S: Final = 2.5 * HEARTBEAT_S
RETRY_S: Final = 0.25
CLOCK_S: Final = 30.0
QUIET: Final = ("404", "408")  # a pull that has run out: no reason to wait before the next


class Enqueued(NamedTuple):
    """A message as it was left there, and what its acknowledgement subject says of it."""

    message: Message
    delivered: int
    seq: int
    stamped_ns: int

    @property
    def endpoint(self) -> str:
        """The endpoint it is for."""
        return self.message.subject.rpartition(".")[2]


def read_enqueued(message: Message) -> Enqueued:
    """Take apart `$JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<consumer seq>.<ns>.<pending>`."""
    _, delivered, seq, _, stamped_ns, _ = message.reply.rsplit(".", 5)
    return Enqueued(message, int(delivered), int(seq), int(stamped_ns))


class Intake:
    """Hands each message to `settle`, many at once; `clock` is the broker's."""

    def __init__(
        self,
        bus: Bus,
        outlet: Outlet,
        stream: str,
        settle: Callable[[Enqueued], Awaitable[None]],
        clock: BrokerClock,
    ) -> None:
        self.clock = clock
        self._outlet = outlet
        self._unsaid: dict[int, tuple[str, bytes]] = {}
        self._stream = stream
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{subjects.GATEWAYS_CONSUMER}"
        self._bus = bus
        self._settle = settle
        self._arrived: asyncio.Queue[Message | None] = asyncio.Queue()
        self._inbox = bus.new_inbox()
        self._number = 0
        self._clock_at_s = float("-inf")
        self._settling: set[asyncio.Task[None]] = set()
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"<Intake {self._stream} settling={len(self._settling)}>"

    async def open(self) -> None:
        """Pull from now on."""
        self._subscription = await self._bus.subscribe(f"{self._inbox}.*", self._arrived.put)
        self._task = asyncio.create_task(self._run())
        self._bus.on_reconnect(self._note_back)

    def acknowledge(self, enqueued: Enqueued) -> None:
        """Have a message forgotten: it is settled."""
        self._answer(enqueued, wire.ACK)

    def hand_back(self, enqueued: Enqueued, delay_s: float) -> None:
        """Have a message delivered again later, to any gateway; it holds nobody up."""
        self._answer(enqueued, wire.again_in(delay_s))

    def _answer(self, enqueued: Enqueued, body: bytes) -> None:
        try:
            self._outlet.post(enqueued.message.reply, body)
        except BusError:
            self._unsaid[enqueued.seq] = (enqueued.message.reply, body)

    async def _note_back(self) -> None:
        """Say what could not be said, and pull anew: a broker that was restarted knows no pull."""
        unsaid, self._unsaid = self._unsaid, {}
        for reply, body in unsaid.values():
            with contextlib.suppress(BusError):  # away again: it hands the message out again
                self._outlet.post(reply, body)
        self._arrived.put_nowait(None)

    async def close(self, grace_s: float) -> int:
        """Pull no more; settle what is in hand, and return for how much there was no time."""
        if self._task is not None:
            await end([self._task])
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(BusError):
                await self._bus.leave(subscription)
        while not self._arrived.empty():  # what came after the last look
            message = self._arrived.get_nowait()
            if message is not None and message.reply:
                self._spawn(read_enqueued(message))
        if self._settling:
            await asyncio.wait(self._settling, timeout=grace_s)
        late = list(self._settling)
        await end(late)
        return len(late)

    async def _run(self) -> None:
        while True:
            try:
                await self._keep_clock()
                code = await self._pull()
            except BusError as exc:
                log.debug("intake.away %s", exc)
                code = "503"
            if code not in QUIET:
                await asyncio.sleep(RETRY_S)
            while len(self._settling) >= BATCH:
                await asyncio.wait(self._settling, return_when=asyncio.FIRST_COMPLETED)

    async def _keep_clock(self) -> None:
        before_s = self._loop.time()
        if before_s - self._clock_at_s < CLOCK_S:
            return
        info = await consumer_info(self._bus, self._stream, subjects.GATEWAYS_CONSUMER)
        after_s = self._loop.time()
        if info is not None:
            broker_s = parse_broker_time(info["ts"])
            self.clock.record(Sample(broker_s, (before_s + after_s) / 2, after_s - before_s))
            self._clock_at_s = after_s

    async def _pull(self) -> str:
        """Take a batch; return the status it ended with: 408 if it was full, or swallowed."""
        self._number += 1
        left = BATCH - len(self._settling)
        request = {
            "batch": left,
            "expires": int(EXPIRES_S * NS),
            "idle_heartbeat": int(HEARTBEAT_S * NS),
        }
        reply = f"{self._inbox}.{self._number}"
        await self._bus.publish(self._next, json.dumps(request).encode(), reply=reply)
        while left:
            try:
                async with asyncio.timeout(SILENCE_S):
                    message = await self._arrived.get()
            except TimeoutError:
                return "408"  # no heartbeat: the pull was swallowed
            if message is None:
                return "408"  # the connection is a new one
            if message.reply:
                left -= 1
                self._spawn(read_enqueued(message))
            elif message.subject == reply:
                code = (message.headers or {}).get("Status", "")
                if code != "100":
                    return code
        return "408"

    def _spawn(self, enqueued: Enqueued) -> None:
        task = asyncio.ensure_future(self._settle(enqueued))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
