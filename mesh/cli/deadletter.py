"""`mesh deadletter list | show | retry | purge`: requests that were given up."""

from __future__ import annotations

import time
from pathlib import Path

import click

from mesh.api import LetterRetried, LetterView
from mesh.cli.letterviews import letter_details, letter_list, retried_list
from mesh.cli.options import Options, common_options, confirm
from mesh.cli.output import show, write_body
from mesh.cli.session import with_mesh
from mesh.letters import DEFAULT_LETTERS, Found
from mesh.management import Management

ENDPOINT = click.option(
    "-e", "--endpoint-name", "--endpoint", "endpoint_name", help="Only those of this endpoint."
)
NAME = click.option("-n", "--name", help="Only those of this deployment.")
NUMBER = click.IntRange(min=1)


@click.group()
def deadletter() -> None:
    """See the requests that were given up, send them again, remove them."""


@deadletter.command("list")
@ENDPOINT
@NAME
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=DEFAULT_LETTERS,
    show_default=True,
    help="How many of the last ones.",
)
@common_options
def list_(options: Options, endpoint_name: str | None, name: str | None, limit: int) -> None:
    """List dead letters, newest first."""

    async def work(mesh: Management) -> list[LetterView]:
        found = await mesh.dead_letters.list(endpoint_name, name, limit=limit)
        if not found and endpoint_name is not None:  # what does not exist is told
            await mesh.get_endpoint(endpoint_name)
            if name is not None:
                await mesh.get_deployment(endpoint_name, name)
        return found

    letters = with_mesh(options, work)
    show(letters, options, lambda: letter_list(letters, time.time()))


@deadletter.command("show")
@click.argument("number", type=NUMBER)
@click.option(
    "--body",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the request's body to this file.",
)
@common_options
def show_one(options: Options, number: int, body: Path | None) -> None:
    """Show a dead letter with all its headers."""
    view, content = with_mesh(options, lambda mesh: mesh.dead_letters.get(number))
    if body is not None:
        write_body(body, content)
    show(view, options, lambda: letter_details(view))


@deadletter.command()
@click.argument("numbers", type=NUMBER, nargs=-1, required=True)
@common_options
def retry(options: Options, numbers: tuple[int, ...]) -> None:
    """Send dead letters again.

    Each becomes a queued request of its endpoint, with a new id and a new time limit; the letter is
    gone once that is safe. The result is kept under the new id for `gateway.result_ttl_s`.
    """
    done: list[LetterRetried] = []

    async def work(mesh: Management) -> None:
        for number in numbers:
            done.append(await mesh.dead_letters.retry(number))

    try:
        with_mesh(options, work)
    finally:  # those that were sent before one was refused have their ids too
        if done:
            show(done, options, lambda: retried_list(done))


@deadletter.command()
@ENDPOINT
@NAME
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common_options
def purge(options: Options, endpoint_name: str | None, name: str | None, yes: bool) -> None:
    """Remove dead letters for good; those that come meanwhile stay."""
    found: Found = with_mesh(options, lambda mesh: mesh.dead_letters.count(endpoint_name, name))
    if found.letters and not yes:
        confirm(f"Remove {letters_text(found.letters)} for good?")
    purged = 0
    if found.letters:
        purged = with_mesh(
            options, lambda mesh: mesh.dead_letters.purge(found.up_to, endpoint_name, name)
        )
    show({"purged": purged}, options, lambda: f"{letters_text(purged)} removed")


def letters_text(count: int) -> str:
    """A number of dead letters in words."""
    return f"{count} dead letter{'' if count == 1 else 's'}"
