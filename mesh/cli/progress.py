"""Showing that something is under way: a live line on a terminal, else a line per change."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import click
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from mesh.cli.output import console
from mesh.figures import size_text


class Waiting:
    """The line on stderr while a person waits; gone from the terminal when it is over."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = ""
        self._live: Progress | None = None
        out = console(stderr=True)
        if out.is_terminal:
            one_line = Column(no_wrap=True, overflow="ellipsis")
            self._live = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False, table_column=one_line),
                TimeElapsedColumn(),
                console=out,
                transient=True,
            )
            self._task = self._live.add_task(what, total=None)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, text: str) -> None:
        """Show how far it is."""
        if text == self._shown:
            return
        self._shown = text
        line = f"{self._what}: {text}"
        if self._live is not None:
            self._live.update(self._task, description=line)
        else:
            click.echo(line, err=True)

    def tell(self, text: str) -> None:
        """Say something that stays."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            click.echo(text, err=True)

    def show_upload(self, what: str, sent_bytes: int, all_bytes: int) -> None:
        """Show how much of a folder has been sent; on a pipe only that it is being sent."""
        if self._live is None:
            self.show(f"storing the {what}")
        else:
            percent = 100 * sent_bytes // max(1, all_bytes)
            self.show(f"storing the {what}, {percent}% of {size_text(all_bytes)}")
