"""Requests that are out: a table from number to entry, settled by PubAck and answer in any order.

Everything here is synchronous and cheap: it runs inside the reply subscription's callback, for
every message of every request. Knows messages; nothing of HTTP. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from mesh import wire
from mesh.deadline import Wheel
from mesh.errors import BusError, DeadlineExceededError, MeshError, QueueFullError
from mesh.streams import is_full

ACK_ERROR: Final = b'{"error"'


class Sink(Protocol):
    """Who waits for what becomes of an entry. No method may block or raise."""

    def acknowledged(self, entry: Entry) -> None:
        """The queue holds the message; called only if `entry.wants_ack`."""

    def answered(self, entry: Entry, body: bytes, headers: Mapping[str, str]) -> None:
        """The answer is here; the entry is out of the table."""

    def failed(self, entry: Entry, error: MeshError) -> None:
        """There will be no answer; the entry is out of the table."""


class Entry:
    """One published message that something is expected for.

    `message` is what was published (subject, body, reply subject, fields), kept until the PubAck
    so that it can be repeated; `ack` is the PubAck as it came, `due_s` when nobody waits any more.
    """

    __slots__ = ("ack", "due_s", "message", "number", "sink", "stream", "wants_ack")

    def __init__(self, stream: str, sink: Sink) -> None:
        self.number = 0
        self.due_s = 0.0
        self.stream = stream
        self.sink = sink
        self.ack: bytes | None = None
        self.message: tuple[str, bytes, str, str] | None = None
        self.wants_ack = False

    def __repr__(self) -> str:
        return f"<Entry {self.number} {self.stream} {'queued' if self.ack else 'unconfirmed'}>"

    @property
    def seq(self) -> int:
        """The message's sequence in its stream; 0 while there is no PubAck."""
        return int(_decode(self.ack).get("seq", 0)) if self.ack else 0


class Pending:
    """All entries of this gateway, by number."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.late = 0
        self.pubacks = {"ok": 0, "full": 0, "refused": 0, "no_stream": 0}
        self._wheel = Wheel()
        self._number = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Pending {len(self.entries)} out, {self.late} late>"

    def number(self, entry: Entry) -> int:
        """Give an entry the number under which it is answered, one never used before."""
        self._number = entry.number = self._number + 1
        return self._number

    def add(self, entry: Entry, due_s: float) -> None:
        """Put a numbered entry in, until it is settled or due."""
        self.entries[entry.number] = entry
        entry.due_s = due_s
        at_s = self._wheel.add(entry.number, due_s)
        if at_s is not None:
            self._schedule(at_s)

    def remove(self, entry: Entry) -> None:
        """Forget an entry; harmless twice."""
        self.entries.pop(entry.number, None)

    def take(self, number: int, body: bytes, headers: Mapping[str, str] | None) -> None:
        """Take a message that came on the reply subject of this number."""
        entry = self.entries.get(number)
        if headers is None:
            self._take_ack(entry, body)
        elif wire.STATUS in headers:
            if entry is None:
                self.late += 1  # a second answer, or one after the deadline
                return
            del self.entries[number]
            entry.sink.answered(entry, body, headers)
        elif headers.get("Status") == "503":
            self.pubacks["no_stream"] += 1
            self._fail(entry, BusError("the deployment's queue is not there"))

    def _take_ack(self, entry: Entry | None, ack: bytes) -> None:
        if ack.startswith(ACK_ERROR):
            self._fail(entry, self._refused(ack))
            return
        self.pubacks["ok"] += 1
        if entry is None:
            return
        entry.ack = ack
        entry.message = None
        if entry.wants_ack:
            entry.sink.acknowledged(entry)

    def _refused(self, ack: bytes) -> MeshError:
        error = _decode(ack).get("error", {})
        if is_full(error.get("err_code"), str(error.get("description"))):
            self.pubacks["full"] += 1
            return QueueFullError()
        self.pubacks["refused"] += 1
        return BusError(f"the queue refused the request: {error.get('description', 'no reason')}")

    def _fail(self, entry: Entry | None, error: MeshError) -> None:
        if entry is not None:
            self.remove(entry)
            entry.sink.failed(entry, error)

    def fail(self, entry: Entry, error: MeshError) -> None:
        """End an entry that is still in the table; harmless otherwise."""
        if self.entries.get(entry.number) is entry:
            self._fail(entry, error)

    def close(self) -> None:
        """Watch deadlines no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, at_s: float) -> None:
        self.close()
        self._timer = self._loop.call_at(at_s, self._expire)

    def _expire(self) -> None:
        due, again_s = self._wheel.expire(self._loop.time())
        for number in due:
            self._fail(self.entries.get(number), DeadlineExceededError())
        if again_s is not None:
            self._schedule(again_s)


def _decode(ack: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(ack)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
