"""Pulling from the work queue with exact credit: what the broker may still send us.

The protocol, its statuses and their meaning for the credit are measured facts; the traps are
named where they are avoided. Knows lanes and messages, not what is in them. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from mesh.bus import Bus, Inlet, Message, Subscription
from mesh.clock import NS
from mesh.errors import BusError
from mesh.subjects import LANES, Lane

log = logging.getLogger("workers.pull")

EXPIRES_S: Final = 5.0
HEARTBEAT_S: Final = 1.0
GRACE_S: Final = 1.0
RETRY_S: Final = 0.25
LANE_OF: Final[dict[str, Lane]] = {lane: lane for lane in LANES}
REFUSED: Final = frozenset({"400", "409", "503"})


class Delivery(NamedTuple):
    """A message of the work queue and what its acknowledgement subject says of it."""

    message: Message
    lane: Lane
    delivered: int
    seq: int
    stamped_ns: int
    pending: int


class _Pull(NamedTuple):
    batch: int
    dead_at_s: float


def read_delivery(message: Message) -> Delivery:
    """Take apart `$JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<consumer seq>.<ns>.<pending>`."""
    _, lane, delivered, seq, _, stamped_ns, pending = message.reply.rsplit(".", 6)
    return Delivery(
        message,
        LANE_OF[lane],  # the consumer is named after its lane
        int(delivered),
        int(seq),
        int(stamped_ns),
        int(pending),
    )


class Puller:
    """Standing pulls on every lane of one stream. `deliver` is sync; None means credit changed."""

    def __init__(self, bus: Bus, stream: str, deliver: Callable[[Delivery | None], None]) -> None:
        self._bus = bus
        self._stream = stream
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._heard: dict[Lane, float] = dict.fromkeys(LANES, 0.0)
        self._live: dict[Lane, dict[int, _Pull]] = {lane: {} for lane in LANES}
        self._retry_at: dict[Lane, float] = dict.fromkeys(LANES, 0.0)
        self._number = 0
        self._epoch = 0
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._stopped = True
        self.credit: dict[Lane, int] = dict.fromkeys(LANES, 0)
        self.backlog: dict[Lane, int] = dict.fromkeys(LANES, 0)

    def __repr__(self) -> str:
        return f"<Puller {self._stream} credit={self.credit}>"

    async def start(self) -> None:
        """Listen on a new inbox. Also after each reconnect: by then every old pull is dead."""
        old, self._epoch = self._subscription, self._epoch + 1
        self._forget()
        self._inbox, self._stopped = self._bus.new_inbox(), False
        take = partial(self._on_message, self._epoch)
        self._subscription = await Inlet.subscribe(self._bus, self._inbox + ".*.*", take)
        if old is not None:
            await self._bus.leave(old)  # what had arrived is still delivered, uncounted

    def _forget(self) -> None:
        for lane in LANES:
            self.credit[lane] = 0
            self._live[lane].clear()
            self._retry_at[lane] = 0.0

    @property
    def is_lower_waiting(self) -> bool:
        """Whether something waited below the interactive lane when last heard."""
        backlog = self.backlog
        return bool(backlog["queued"] or backlog["background"] or backlog["shadow"])

    def can_pull(self, lane: Lane) -> bool:
        """Whether a pull would be sent now."""
        return (
            not self._stopped
            and self._bus.is_connected
            and self._loop.time() >= self._retry_at[lane]
        )

    async def pull(self, lane: Lane, batch: int) -> bool:
        """Ask for up to `batch` messages; False if nothing was asked."""
        if batch <= 0 or not self.can_pull(lane):
            return False
        now_s = self._loop.time()
        if not self.credit[lane]:
            self._heard[lane] = now_s
        self._number += 1
        self._live[lane][self._number] = _Pull(batch, now_s + EXPIRES_S + GRACE_S)
        self.credit[lane] += batch
        request = {
            "batch": batch,
            "expires": int(EXPIRES_S * NS),
            "idle_heartbeat": int(HEARTBEAT_S * NS),
        }
        try:
            await self._bus.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{lane}",
                json.dumps(request).encode(),
                reply=f"{self._inbox}.{lane}.{self._number}",
            )
        except BusError:
            return False  # the reconnect starts us anew
        return True

    def sweep(self) -> None:
        """Forget pulls whose end was never told; call about once a second."""
        now_s = self._loop.time()
        for lane, live in self._live.items():
            for number in [n for n, pull in live.items() if pull.dead_at_s < now_s]:
                del live[number]
            if self.credit[lane] and now_s - self._heard[lane] > 2.5 * HEARTBEAT_S:
                live.clear()  # credit out but no heartbeat: the pull was swallowed
            self._settle(lane)

    def _settle(self, lane: Lane) -> None:
        live = self._live[lane]
        bound = sum(pull.batch for pull in live.values())
        self.credit[lane] = max(0, min(self.credit[lane], bound))
        if not self.credit[lane]:
            live.clear()

    def _on_message(self, epoch: int, message: Message) -> None:
        if message.reply:  # data comes with its own subject and an acknowledgement subject
            delivery = read_delivery(message)
            lane = delivery.lane
            self._heard[lane] = self._loop.time()
            if epoch == self._epoch:
                self._count(delivery)
            self._deliver(delivery)
        else:
            self._on_status(epoch, message)

    def _count(self, delivery: Delivery) -> None:
        lane = delivery.lane
        self.backlog[lane] = delivery.pending
        self.credit[lane] -= 1
        if self.credit[lane] <= 0:
            self.credit[lane] = 0
            self._live[lane].clear()

    def _on_status(self, epoch: int, message: Message) -> None:
        headers = message.headers or {}
        code = headers.get("Status", "")
        _, token, number = message.subject.rsplit(".", 2)
        lane = LANE_OF[token]
        self._heard[lane] = self._loop.time()
        if code == "100" or epoch != self._epoch:
            return
        gone = self._live[lane].pop(int(number), None)
        if gone is None:
            return
        left = headers.get("Nats-Pending-Messages")
        if left is not None and int(left) >= 0:
            self.credit[lane] -= int(left)  # expired, or too large: the count is exact
        elif code in ("400", "503") or "MaxWaiting" in headers.get("Description", ""):
            self.credit[lane] -= gone.batch  # never accepted
        self._settle(lane)  # no count given: bounded by the pulls that live on
        if code in REFUSED:
            self._retry_at[lane] = self._loop.time() + RETRY_S
        if code == "408":
            self.backlog[lane] = 0
        self._deliver(None)

    async def drain(self, quiet_s: float = 0.1) -> None:
        """Stop asking and hand over what is on its way, only then unsubscribe.

        What the broker has taken from the queue but not sent when it hears of that is orphaned
        until the ack wait (measured), in whatever order it hears: hence the silence first. In a
        steady flow the credit ends instead.
        """
        self._stopped = True
        seen = -1
        subscription, self._subscription = self._subscription, None
        if subscription is None:
            return
        while any(self.credit.values()) and seen != subscription.delivered:
            seen = subscription.delivered
            await asyncio.sleep(quiet_s)  # silence is the only sign that nothing is on its way
        with contextlib.suppress(BusError):  # a broker that is away sends nothing
            await self._bus.leave(subscription)
        self._epoch += 1
        self._forget()
