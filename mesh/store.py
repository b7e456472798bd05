"""The desired state, as every program sees it: a bucket kept in memory, always current.

A watch alone is not enough: after a restart of the broker the client library's watch stays blind
(measured). The view re-lists and re-watches on every reconnect, so that a deletion missed while
away is noticed too. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from mesh.bus import Bucket, Bus, Entry
from mesh.errors import BusError
from mesh.tasks import end

__all__ = ["Bucket", "ConfigView", "Entry"]

log = logging.getLogger("mesh.store")

RETRY_S: Final = 0.2
OnChange = Callable[[str, bytes | None], None]


class ConfigView:
    """All keys of a bucket, live. `revision` is the newest one applied."""

    def __init__(self, bus: Bus, bucket: str) -> None:
        self._bus = bus
        self._bucket = bucket
        self._on_change: list[OnChange] = []
        self._on_applied: list[Callable[[int], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._listed = asyncio.Event()
        self._reconnected = asyncio.Event()
        self.entries: dict[str, bytes] = {}
        self.revisions: dict[str, int] = {}
        self.revision = 0

    def __repr__(self) -> str:
        return f"<ConfigView {self._bucket} keys={len(self.entries)} revision={self.revision}>"

    def on_change(self, callback: OnChange) -> None:
        """Call `callback(key, value)` for each change, with None for a deletion; never awaits."""
        self._on_change.append(callback)

    def on_applied(self, callback: Callable[[int], None]) -> None:
        """Call `callback(revision)` once a new revision, or a whole new list, is applied."""
        self._on_applied.append(callback)

    async def start(self, timeout_s: float = 10.0) -> None:
        """Start to watch and wait for the first whole list.

        Raises:
            TimeoutError: the bucket could not be listed in time.
        """
        self._bus.on_reconnect(self._note_reconnect)
        self._task = asyncio.create_task(self._run())
        async with asyncio.timeout(timeout_s):
            await self._listed.wait()

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _note_reconnect(self) -> None:
        self._reconnected.set()

    async def _run(self) -> None:
        while True:
            self._reconnected.clear()
            watching = asyncio.create_task(self._watch_once())
            again = asyncio.create_task(self._reconnected.wait())
            try:
                await asyncio.wait({watching, again}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end({watching, again})
            failure = None if watching.cancelled() else watching.exception()
            if failure is not None:  # whatever it was: a view that is not current must become so
                is_known = isinstance(failure, BusError)
                log.warning(
                    "store.retry bucket=%s error=%s",
                    self._bucket,
                    failure,
                    exc_info=None if is_known else failure,
                )
                await asyncio.sleep(RETRY_S)

    async def _watch_once(self) -> None:
        bucket = await Bucket.open(self._bus, self._bucket)
        watch = await bucket.watch()
        try:
            listed: dict[str, Entry] | None = {}
            async for entry in watch:
                if entry is None:
                    self._apply_list(listed or {})
                    listed = None
                elif listed is None:
                    self._apply(entry)
                    self._applied(entry.revision)
                else:
                    self.revision = max(self.revision, entry.revision)
                    if entry.value is not None:
                        listed[entry.key] = entry
        finally:
            with contextlib.suppress(BusError):
                await watch.stop()

    def _apply_list(self, listed: dict[str, Entry]) -> None:
        for key in self.entries.keys() - listed.keys():
            self._apply(Entry(key, None, 0))
        for key, entry in listed.items():
            if self.revisions.get(key) != entry.revision:
                self._apply(entry)
        self._listed.set()
        self._applied(self.revision)

    def _apply(self, entry: Entry) -> None:
        if entry.value is None:
            self.entries.pop(entry.key, None)
            self.revisions.pop(entry.key, None)
        else:
            self.entries[entry.key] = entry.value
            self.revisions[entry.key] = entry.revision
        for callback in self._on_change:
            callback(entry.key, entry.value)

    def _applied(self, revision: int) -> None:
        self.revision = max(self.revision, revision)
        for callback in self._on_applied:
            callback(self.revision)
