"""Showing a result: laid out for people, or as JSON, YAML or TSV for machines.

No colour and no line break is written where no terminal shows it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import click
import jmespath
import jmespath.exceptions
import msgspec
import yaml
from rich.console import Console, RenderableType
from rich.table import Table

from mesh.cli.options import Options
from mesh.errors import SpecError

PIPED_WIDTH: Final = 10_000


def write_body(path: Path, content: bytes) -> None:
    """Write what `--body` names.

    Raises:
        SpecError: it cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as exc:
        raise SpecError(f"--body {path}: cannot be written: {exc.strerror or exc}") from exc


def show(value: Any, options: Options, people: Callable[[], RenderableType]) -> None:
    """Print a result the way the person chose; `people` lays it out for reading."""
    if options.is_for_people:
        console().print(people(), soft_wrap=False)
        return
    plain = select(msgspec.to_builtins(value, str_keys=True), options.query)
    match options.output:
        case "none":
            return
        case "yaml":
            click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).rstrip())
        case "tsv":
            _echo_lines(tsv_lines(plain))
        case "table":
            console().print(plain_table(plain))
        case _:
            click.echo(json.dumps(plain, indent=2, ensure_ascii=False))


def select(plain: Any, query: str | None) -> Any:
    """Return the part of a value that a JMESPath query names.

    Raises:
        SpecError: the query does not suit the value.
    """
    if query is None:
        return plain
    try:
        return jmespath.search(query, plain)
    except jmespath.exceptions.JMESPathError as exc:
        reason = " ".join(str(exc).split())
        raise SpecError(f"--query {query!r}: {reason}") from exc


def tsv_lines(plain: Any) -> Iterable[str]:
    """Write a value as lines of tab-separated fields: a row per item, no header, no quotes."""
    for row in plain if isinstance(plain, list) else [plain]:
        cells = row.values() if isinstance(row, dict) else row if isinstance(row, list) else [row]
        yield "\t".join(_cell(cell) for cell in cells)


def plain_table(plain: Any) -> Table:
    """Lay out any value: a row per item, a column per key."""
    rows = plain if isinstance(plain, list) else [plain]
    if not all(isinstance(row, dict) for row in rows):
        rows = [{"Result": row} for row in rows]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = new_table(*columns)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table


def new_table(*columns: str) -> Table:
    """An empty table in the house style: a header, no lines."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr as they are now; plain text unless it is a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def warn(warnings: Iterable[str]) -> None:
    """Write warnings to stderr, one line each."""
    for warning in warnings:
        click.echo(f"{click.style('warning:', fg='yellow')} {warning}", err=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _echo_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
