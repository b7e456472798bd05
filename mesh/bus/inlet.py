"""The short way in: messages handed to a synchronous callback straight from the parser.

The client's own way costs a regular expression, a header object, a queue and a task switch per
message: more than half of what a message costs to receive (measured, ADR 0002). This parser takes
the common case by itself, a whole message for a subscription that asked for it, and leaves all else
(other operations, messages cut in two, other subscriptions) to the client's. It leans on private
names of the client, checked when it is put in place. Ring: adapter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

from nats.aio.msg import Msg
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

from mesh.bus.connection import Bus
from mesh.bus.message import Message, Subscription
from mesh.errors import MeshError

log = logging.getLogger("mesh.bus")

Headers = dict[str, str]
Take = Callable[[Message], None]
NEEDED: Final = ("_ps", "_subs", "_process_msg")
STATUS_LINE: Final = "NATS/1.0 "
NOBODY: Final[tuple[Any, None]] = (None, None)


class Arrived(NamedTuple):
    """A message as it came."""

    subject: str
    reply: str
    data: bytes
    headers: Headers | None


class Inlet(Parser):
    """A parser that knows which subscriptions want their messages at once."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self._takers: dict[bytes, tuple[Any, Take | None]] = {}

    @classmethod
    async def subscribe(
        cls, bus: Bus, subject: str, take: Take, *, queue: str = ""
    ) -> Subscription:
        """Call `take` with each message, at once; it must not block.

        Of those who name the same `queue` each message reaches one.

        Order holds among whole messages; one that came in two pieces may be overtaken.

        Raises:
            MeshError: the client library is not built as expected.
            BusError: the broker is away.
        """
        inlet = cls._of(bus.client)

        async def take_slowly(message: Msg) -> None:
            take(message)

        subscription: Any = await bus.subscribe(subject, take_slowly, queue=queue)
        inlet._forget_closed()
        inlet._takers[b"%d" % subscription._id] = subscription, take
        return cast("Subscription", subscription)

    @classmethod
    def _of(cls, client: Any) -> Inlet:
        missing = [name for name in NEEDED if not hasattr(client, name)]
        if missing:
            raise MeshError(f"this version of the NATS client has no {', '.join(missing)}")
        if not isinstance(client._ps, cls):
            old, client._ps = client._ps, cls(client)
            client._ps.buf, client._ps.state = old.buf, old.state
            client._ps.needed, client._ps.msg_arg = old.needed, old.msg_arg
            client._ps.header_needed = old.header_needed
        return cast("Inlet", client._ps)

    def _forget_closed(self) -> None:
        """Let go of subscriptions that have ended: a puller makes new ones at each reconnect."""
        for number in [one for one, (known, _) in self._takers.items() if known._closed]:
            del self._takers[number]

    async def parse(self, data: bytes = b"") -> None:
        """Take what can be taken at once; give the rest to the client's own parser."""
        at = 0
        if not self.buf and self.state == AWAITING_CONTROL_LINE:
            at = self._take_whole(data)
        if at < len(data):
            await super().parse(data[at:] if at else data)

    def _take_whole(self, data: bytes) -> int:
        """Take whole messages from the start of `data`; return where the first other thing is."""
        at, takers = 0, self._takers
        while (line_end := data.find(b"\r\n", at)) > 0:
            words = data[at:line_end].split()
            subscription, take = takers.get(words[2], NOBODY) if len(words) > 3 else NOBODY
            if take is None or subscription._closed:
                break
            has_headers = words[0] == b"HMSG"
            if not has_headers and words[0] != b"MSG":
                break
            start = line_end + 2
            stop = start + int(words[-1])
            if stop + 2 > len(data):
                break
            body = start + int(words[-2]) if has_headers else start
            reply = words[3] if len(words) > 4 + has_headers else b""
            headers = parse_headers(data[start:body]) if has_headers else None
            message = Arrived(words[1].decode(), reply.decode(), data[body:stop], headers)
            at = stop + 2
            subscription._received += 1
            self._hand(take, message)
        return at

    @staticmethod
    def _hand(take: Take, message: Message) -> None:
        try:
            take(message)
        except Exception:  # one message's failure is not the connection's
            log.exception("bus.callback_failed subject=%s", message.subject)


def parse_headers(block: bytes) -> Headers:
    """Read a header block; a line that is none is skipped, the last of two equal names wins."""
    first, *lines = block.decode("utf-8", "replace").split("\r\n")
    headers: Headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name] = value.strip()
    if len(first) > len(STATUS_LINE):  # an answer of the broker itself: NATS/1.0 503 ...
        code, _, description = first[len(STATUS_LINE) :].partition(" ")
        headers["Status"] = code
        if description:
            headers["Description"] = description
    return headers
