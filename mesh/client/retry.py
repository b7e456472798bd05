"""Asking again what was refused or lost, for those who want it: never what may have been run.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from mesh.backoff import backoff_s
from mesh.client.answer import Answer
from mesh.errors import MeshError

# Refused before anything was run.
REFUSED: Final = frozenset({"queue_full", "capacity", "no_worker", "no_responders"})
# It may have been run; with an idempotency key that does no harm.
UNSURE: Final = frozenset({"bus", "bus_timeout", "answer_unknown"})
PAUSE_S: Final = (0.25, 15.0)
LONGEST_PAUSE_S: Final = 60.0

_T = TypeVar("_T")


async def with_retries(
    step: Callable[[], Awaitable[_T]], retries: int, *, is_keyed: bool = False
) -> _T:
    """Do `step`, at most `retries` times more if it is refused for now.

    Raises:
        MeshError: it is refused for good, or once too often.
    """
    again = REFUSED | UNSURE if is_keyed else REFUSED
    for attempt in range(1, retries + 1):
        try:
            return await step()
        except MeshError as exc:
            if exc.code not in again:
                raise
            pause_s = asked_pause_s(exc)
        await asyncio.sleep(backoff_s(attempt, *PAUSE_S) if pause_s is None else pause_s)
    return await step()


def asked_pause_s(error: MeshError) -> float | None:
    """Return how long the mesh asked to wait before the next try, None if it did not."""
    answer = error.context.get("answer")
    if not isinstance(answer, Answer):
        return None
    told = {name.lower(): text for name, text in answer.headers.items()}.get("retry-after", "")
    if not (told.isascii() and told.isdecimal()) or len(told) > len(str(int(LONGEST_PAUSE_S))):
        return None
    return min(float(told), LONGEST_PAUSE_S)
