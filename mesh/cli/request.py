"""`mesh request list | show | cancel | retry`: queued requests."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, get_args

import click

from mesh.cli.options import Options, common_options, endpoint_option
from mesh.cli.output import show, write_body
from mesh.cli.requestviews import request_details, request_list, resent_list
from mesh.cli.session import with_mesh
from mesh.management import Management
from mesh.records import JobState
from mesh.request_api import RequestRetried, RequestView
from mesh.requests import DEFAULT_REQUESTS

STATES: Final = click.Choice(get_args(JobState))


@click.group()
def request() -> None:
    """See queued requests, cancel them, send them again."""


@request.command("list")
@click.option(
    "-e", "--endpoint-name", "--endpoint", "endpoint_name", help="Only those of this endpoint."
)
@click.option("--state", "states", type=STATES, multiple=True, help="Only in this state, or these.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=DEFAULT_REQUESTS,
    show_default=True,
    help="How many of the last ones.",
)
@common_options
def list_(options: Options, endpoint_name: str | None, states: tuple[str, ...], limit: int) -> None:
    """List queued requests, newest first."""

    async def work(mesh: Management) -> list[RequestView]:
        found = await mesh.requests.newest(endpoint_name, states=states, limit=limit)
        if not found and endpoint_name is not None:  # what does not exist is told
            await mesh.get_endpoint(endpoint_name)
        return found

    found = with_mesh(options, work)
    show(found, options, lambda: request_list(found, time.time()))


@request.command("show")
@endpoint_option
@click.argument("request_id")
@click.option(
    "--body",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the result's body to this file.",
)
@common_options
def show_one(options: Options, endpoint_name: str, request_id: str, body: Path | None) -> None:
    """Show a queued request, and its result's headers."""
    view, content = with_mesh(options, lambda mesh: mesh.requests.get(endpoint_name, request_id))
    if body is not None:
        write_body(body, content)
    show(view, options, lambda: request_details(view))


@request.command()
@endpoint_option
@click.argument("request_ids", nargs=-1, required=True)
@common_options
def cancel(options: Options, endpoint_name: str, request_ids: tuple[str, ...]) -> None:
    """Cancel queued requests: those that wait are not run, those that run are stopped."""
    done: list[dict[str, str]] = []

    async def work(mesh: Management) -> None:
        for request_id in request_ids:
            await mesh.requests.cancel(endpoint_name, request_id)
            done.append({"request_id": request_id, "state": "cancelled"})

    try:
        with_mesh(options, work)
    finally:  # those that were cancelled before one was refused are told too
        if done:
            show(done, options, lambda: "\n".join(f"{one['request_id']} cancelled" for one in done))


@request.command()
@endpoint_option
@click.argument("request_ids", nargs=-1, required=True)
@common_options
def retry(options: Options, endpoint_name: str, request_ids: tuple[str, ...]) -> None:
    """Send requests again that failed, expired or were cancelled.

    Each becomes a new queued request of its endpoint, with a new id and a new time limit.
    """
    done: list[RequestRetried] = []

    async def work(mesh: Management) -> None:
        for request_id in request_ids:
            done.append(await mesh.requests.retry(endpoint_name, request_id))

    try:
        with_mesh(options, work)
    finally:  # those that were sent before one was refused have their ids too
        if done:
            show(done, options, lambda: resent_list(done))
