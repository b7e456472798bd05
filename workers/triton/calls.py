"""Requests under way at one Triton server: each ends once, or is given up with the server.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final, NamedTuple

from workers.exchange import Outcome, RunRequest
from workers.triton.errors import OverdueError, ServerAwayError, V2Error
from workers.triton.front import Answer, Front

log = logging.getLogger("workers.triton")

CLIENT_GONE: Final = 499
EXPIRED: Final = 408


class _Call(NamedTuple):
    task: asyncio.Task[None]
    deadline_s: float


class Calls:
    """`on_result` hears how each ended; `on_away` that the server is not there any more."""

    def __init__(
        self, front: Front, on_result: Callable[[Outcome], None], on_away: Callable[[str], None]
    ) -> None:
        self._front = front
        self._on_result = on_result
        self._on_away = on_away
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, _Call] = {}

    def __repr__(self) -> str:
        return f"<Calls {len(self._calls)}>"

    def __len__(self) -> int:
        return len(self._calls)

    def submit(self, request: RunRequest) -> None:
        """Begin a request."""
        task = self._loop.create_task(self._run(request))
        self._calls[request.number] = _Call(task, request.deadline_s)

    async def _run(self, request: RunRequest) -> None:
        number, began_s = request.number, self._loop.time()
        left_s = request.deadline_s - began_s
        try:
            answer = await self._front.answer(request, left_s if math.isfinite(left_s) else None)
        except ServerAwayError as exc:
            self._on_away(str(exc))  # the request ends with the server
            return
        except OverdueError:
            self._end(number, EXPIRED)
            return
        except Exception as exc:
            log.exception("triton.failed request=%s", request.request_id)
            error = V2Error(f"the worker failed: {exc!r}", 500)
            answer = Answer(error.status, error.body)
        if self._calls.pop(number, None) is not None:
            self._on_result(_outcome(number, answer, self._loop.time() - began_s))

    def _end(self, number: int, status: int) -> None:
        """End a request without an answer: nobody waits for it any more."""
        if self._calls.pop(number, None) is not None:
            self._on_result(Outcome(number=number, status=status, body=b"", cancelled=True))

    def cancel(self, number: int) -> None:
        """End a request: Triton is told, its outcome follows. Harmless if it has ended."""
        if (call := self._calls.get(number)) is not None:
            call.task.cancel()
            self._loop.call_soon(self._end, number, CLIENT_GONE)

    def sweep(self, now_s: float) -> None:
        """End what is past its deadline."""
        for number in [n for n, call in self._calls.items() if call.deadline_s <= now_s]:
            self.cancel(number)

    async def ended(self) -> None:
        """Wait until every request under way has ended."""
        if self._calls:
            await asyncio.wait([call.task for call in self._calls.values()])

    def give_up(self) -> frozenset[int]:
        """Forget every request, and return which they were."""
        left = frozenset(self._calls)
        for call in self._calls.values():
            call.task.cancel()
        self._calls.clear()
        return left


def _outcome(number: int, answer: Answer, run_s: float) -> Outcome:
    status, body, content_type, headers = answer
    return Outcome(
        number=number,
        status=status,
        body=body,
        content_type=content_type,
        headers=headers,
        run_ms=run_s * 1000,
    )
