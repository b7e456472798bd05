"""A queued request, as whoever queued it holds it. Ring: adapter."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from mesh.client.answer import Answer, Status
from mesh.client.transport import Transport


class Job:
    """A queued request. `await job` waits for its result, however long that takes."""

    def __init__(self, transport: Transport, endpoint: str, request_id: str) -> None:
        self._transport = transport
        self.endpoint = endpoint
        self.id = request_id

    def __repr__(self) -> str:
        return f"<Job {self.id} of {self.endpoint}>"

    def __await__(self) -> Generator[Any, None, Answer]:
        return self.result(wait_s=None).__await__()

    async def status(self) -> Status:
        """Say what has become of it so far.

        Raises:
            NotFoundError: nothing is known of it, or it is not known any more.
        """
        return await self._transport.status(self.endpoint, self.id)

    async def result(self, *, wait_s: float | None = 0.0) -> Answer:
        """Return its result.

        Args:
            wait_s: how long to wait for it; None until it has ended.

        Raises:
            NotFinishedError: it has none yet.
            NotFoundError: nothing is known of it, or it is not known any more.
            MeshError: as `Client.invoke`: it has failed.
        """
        return await self._transport.result(self.endpoint, self.id, wait_s)

    async def cancel(self) -> None:
        """Cancel it: it is not run, or stopped where it runs, and its result says so.

        Raises:
            ConflictError: it has ended already.
            NotFoundError: nothing is known of it, or it is not known any more.
        """
        await self._transport.cancel(self.endpoint, self.id)
