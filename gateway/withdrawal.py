"""Requests whose client went away: stop them where they run, delete them where they wait.

Ring: service.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.call import Call
from gateway.pending import Entry, Pending
from mesh import subjects, wire
from mesh.bus import Outlet
from mesh.errors import BusError, MeshError


class Withdrawals:
    """Takes over the entries of clients that are gone; their sink from then on."""

    def __init__(self, outlet: Outlet, pending: Pending) -> None:
        self._outlet = outlet
        self._pending = pending

    def withdraw(self, call: Call) -> None:
        """Cancel a request that is out.

        Without a PubAck yet there is nothing to delete: the entry stays until it comes. The
        cancellation is sent even after a deletion: one in thousands is delivered all the same.
        """
        if call.ack is None:
            call.sink = self
            call.wants_ack = True
            call.mirror = None
        else:
            self._delete(call)
        target = call.target
        cancel = wire.encode(wire.Cancel(request_id=call.request_id))
        self._post(subjects.cancel(target.endpoint, target.deployment), cancel)

    def acknowledged(self, entry: Entry) -> None:
        """Delete the message, now that its number in the stream is known."""
        self._delete(entry)

    def answered(self, entry: Entry, body: bytes, headers: Mapping[str, str]) -> None:
        """Drop an answer nobody waits for."""

    def failed(self, entry: Entry, error: MeshError) -> None:
        """Nothing is queued: nothing is left to do."""

    def _delete(self, entry: Entry) -> None:
        self._pending.remove(entry)
        # Without no_erase the broker overwrites the message first, ten times slower (measured).
        body = b'{"seq":%d,"no_erase":true}' % entry.seq
        self._post(f"$JS.API.STREAM.MSG.DELETE.{entry.stream}", body)

    def _post(self, subject: str, body: bytes) -> None:
        try:
            self._outlet.post(subject, body)
        except BusError:
            return  # the broker is away: the message's own deadline ends it
