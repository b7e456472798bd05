"""`mesh deployment get-logs`: what the instances printed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from mesh.cli.options import Options, common_options, endpoint_option
from mesh.cli.session import with_mesh
from mesh.console import DEFAULT_LINES
from mesh.errors import SpecError
from mesh.management import ConsoleLine, LogQuery, Management

CONTAINERS = ("inference-server", "storage-initializer")


@click.command("get-logs")
@endpoint_option
@click.option("-n", "--name", required=True, help="The deployment.")
@click.option(
    "-l",
    "--lines",
    type=click.IntRange(min=0),
    default=DEFAULT_LINES,
    show_default=True,
    help="How many of the last lines.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option(
    "--container",
    "-c",
    type=click.Choice(CONTAINERS),
    default=CONTAINERS[0],
    show_default=True,
    help="The scoring script, or what fetched its folders before.",
)
@click.option("--instance", help="Only this instance.")
@common_options
def get_logs(options: Options, endpoint_name: str, name: str, **asked: Any) -> None:
    """Print what a deployment's instances wrote to their console."""
    query = LogQuery(endpoint=endpoint_name, deployment=name, **asked)
    write = writer(options)

    async def work(mesh: Management) -> None:
        await mesh.get_deployment(endpoint_name, name)  # its absence is told, not shown as silence
        is_silent = True
        async with contextlib.aclosing(mesh.logs(query)) as lines:
            async for line in lines:
                is_silent = False
                write(line)
        if is_silent and query.lines:
            who = f"instance {query.instance}" if query.instance else f"deployment {name}"
            click.echo(f"{who} has printed nothing that is kept", err=True)

    with contextlib.suppress(KeyboardInterrupt):
        with_mesh(options, work)


def writer(options: Options) -> Callable[[ConsoleLine], None]:
    """Return what prints a line the way the person chose.

    Raises:
        SpecError: the output format does not suit lines that come one by one.
    """
    if options.query is not None or options.output not in (None, "table", "json", "tsv"):
        raise SpecError("get-logs: -o must be table, json (an object a line) or tsv, no --query")
    if options.output == "json":
        return lambda line: click.echo(json.dumps(_plain(line), ensure_ascii=False))
    if options.output == "tsv":
        return lambda line: click.echo("\t".join(_plain(line).values()))
    return lambda line: click.echo(line_text(line))


def line_text(line: ConsoleLine) -> str:
    """A console line for people; what comes before its text is dimmed on a terminal."""
    plain = _plain(line)
    head = " ".join(
        part for part in (plain["time"], plain["instance"], plain["request_id"]) if part
    )
    return f"{click.style(head, dim=True)} {plain['text']}"


def _plain(line: ConsoleLine) -> dict[str, str]:
    at = datetime.fromtimestamp(line.line.at_s, UTC)
    return {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "instance": line.instance,
        "stream": line.line.stream,
        "request_id": line.line.request_id,
        "text": line.line.text,
    }
