"""Running a command's work against the mesh that the person means."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import click

from mesh.cli import is_debugging
from mesh.cli.exits import INTERRUPTED
from mesh.cli.options import Options
from mesh.management import Management

T = TypeVar("T")


def with_mesh(options: Options, work: Callable[[Management], Awaitable[T]]) -> T:
    """Connect, do the work, disconnect; return what the work returned."""

    async def connected() -> T:
        async with await Management.open(state_dir=options.state_dir) as mesh:
            return await work(mesh)

    with contextlib.nullcontext() if is_debugging() else _quiet():
        return asyncio.run(connected())


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
