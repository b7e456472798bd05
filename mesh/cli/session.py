"""Running a command's work against the mesh that the person means."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import click

from mesh.cli import is_debugging
from mesh.cli.exits import INTERRUPTED
from mesh.cli.options import Options
from mesh.management import Management
from mesh.tasks import end

T = TypeVar("T")


def with_mesh(options: Options, work: Callable[[Management], Awaitable[T]]) -> T:
    """Connect, do the work, disconnect; return what the work returned."""

    async def connected() -> T:
        async with await Management.open(state_dir=options.state_dir) as mesh:
            return await work(mesh)

    return alone(connected())


def alone(work: Coroutine[Any, Any, T]) -> T:
    """Do work that needs no management service; return what it returned."""
    with contextlib.nullcontext() if is_debugging() else _quiet():
        return asyncio.run(_until_interrupted(work))


async def _until_interrupted(work: Coroutine[Any, Any, T]) -> T:
    """Do the work; on Ctrl-C end it for sure, however often it has to be told.

    Raises:
        KeyboardInterrupt: on Ctrl-C.
    """
    interrupted = asyncio.Event()
    if threading.current_thread() is threading.main_thread():  # no other one hears of signals
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(interrupted.wait())
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not working.done():
        await end([working])
        raise KeyboardInterrupt
    return working.result()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing meanwhile: what matters of the connection's log comes as an error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class Begun:
    """Whether the mesh has taken on the operation, so that Ctrl-C no longer prevents it."""

    def __init__(self) -> None:
        self.is_begun = False


@contextlib.contextmanager
def leave_going(hint: str) -> Iterator[Begun]:
    """On Ctrl-C say that what was begun goes on, and how to look at it."""
    begun = Begun()
    try:
        yield begun
    except KeyboardInterrupt:
        went = f"no longer waiting, the operation goes on: {hint}"
        click.echo(f"\n{went if begun.is_begun else 'interrupted, nothing was changed'}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
