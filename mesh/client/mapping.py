"""Many requests, so many at a time. Ring: adapter."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

from mesh.errors import MeshError

_T = TypeVar("_T")
Advance = Callable[[], None]


async def map_over(
    step: Callable[[Any], Awaitable[_T]], inputs: Iterable[Any], concurrency: int, advance: Advance
) -> list[_T]:
    """Do `step` with each input, at most `concurrency` at once; results in the order of inputs.

    An input is taken when its turn comes. The first failure ends all that are under way.

    Raises:
        ValueError: there can be no such `concurrency`.
    """
    if concurrency < 1:
        raise ValueError(f"concurrency {concurrency!r}: expected at least 1")
    results: dict[int, _T] = {}
    source = enumerate(inputs)

    async def work() -> None:
        for at, data in source:
            results[at] = await step(data)
            advance()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, _count(inputs, concurrency))):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [results[at] for at in range(len(results))]


async def kept(step: Awaitable[_T]) -> _T | MeshError:
    """Return what `step` returns, or the error of the mesh in its place."""
    try:
        return await step
    except MeshError as exc:
        return exc


@contextlib.contextmanager
def bar(what: str, inputs: Iterable[Any], *, is_shown: bool) -> Iterator[Advance]:
    """Show on a terminal how much is done, if it is to be shown; nothing anywhere else."""
    if not is_shown:
        yield _ignore
        return
    rich_console = importlib.import_module("rich.console")  # when it is asked for: it takes a while
    rich_progress = importlib.import_module("rich.progress")
    console = rich_console.Console(stderr=True)
    columns = (*rich_progress.Progress.get_default_columns(), rich_progress.MofNCompleteColumn())
    with rich_progress.Progress(*columns, console=console, disable=not console.is_terminal) as live:
        task = live.add_task(what, total=_count(inputs, None))
        yield lambda: live.advance(task)


def _ignore() -> None:
    """Show nothing."""


def _count(inputs: Iterable[Any], unknown: Any) -> Any:
    return len(inputs) if isinstance(inputs, Sized) else unknown
