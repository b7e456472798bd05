"""Asking a runner process for a sign of life. It answers between requests. Ring: adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from workers.runner import frames


class Pings:
    """One ping at a time is on its way, however many ask: what does not read is not sent more."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[bool] | None = None

    def __repr__(self) -> str:
        return f"<Pings {self._answer!r}>"

    async def ask(self) -> bool:
        """Wait for the answer; without an end if none comes."""
        if self._answer is None or self._answer.done():
            self._answer = self._loop.create_future()
            self._send(frames.head(frames.PING))
        return await asyncio.shield(self._answer)

    def heard(self) -> None:
        """Take in the answer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(True)
