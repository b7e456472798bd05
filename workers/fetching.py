"""Requests whose bodies are being fetched: each has its slot, and is run, cancelled or ended.

Ring: service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from mesh.errors import DeadlineExceededError, MeshError
from mesh.statuses import status_of
from mesh.tasks import end
from workers.answer import refusal
from workers.bodies import Bodies
from workers.desk import Desk
from workers.ending import Endings
from workers.work import Work


class Steps(NamedTuple):
    """What follows a body that is there, and a slot that is free again (at this time)."""

    run: Callable[[Work, bytes], None]
    start_more: Callable[[float], None]


class Fetching:
    """Fetches bodies beside each other; there are never more than there are slots."""

    def __init__(self, bodies: Bodies, desk: Desk, endings: Endings, steps: Steps) -> None:
        self._bodies = bodies
        self._desk = desk
        self._end = endings
        self._steps = steps
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._now = asyncio.get_running_loop().time

    def __repr__(self) -> str:
        return f"<Fetching {len(self._tasks)} bodies>"

    def start(self, work: Work) -> None:
        """Fetch the body of a request that has its slot, then run it."""
        task = asyncio.create_task(self._fetch(work))
        self._tasks[work.number] = task
        task.add_done_callback(lambda _: self._tasks.pop(work.number, None))

    def cancel(self, work: Work) -> bool:
        """End a request whose body is being fetched; False if it is not."""
        task = self._tasks.pop(work.number, None)
        if task is None or not task.cancel():
            return False
        self._desk.finish(work.number, self._now())
        self._end.let_go(work, "cancelled")
        self._steps.start_more(self._now())
        return True

    async def close(self) -> None:
        """Give up what is being fetched; the requests stay on the desk."""
        await end(list(self._tasks.values()))

    async def _fetch(self, work: Work) -> None:
        try:
            body = await self._bodies.fetch(work)
        except MeshError as error:
            self._fail(work, error)
        else:
            self._tasks.pop(work.number, None)
            self._steps.run(work, body)

    def _fail(self, work: Work, error: MeshError) -> None:
        self._desk.finish(work.number, self._now())
        if isinstance(error, DeadlineExceededError):
            self._end.let_go(work, "expired")
        else:
            self._end.answer(work, refusal(error, status_of(error.code)))
        self._steps.start_more(self._now())
