"""`mesh deployment history`, `diff` and `rollback`: the generations of a deployment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from mesh.cli.generationviews import Comparison, compare, comparison_text, generation_list
from mesh.cli.options import Options, Patience, common_options, endpoint_option, waiting_options
from mesh.cli.output import show
from mesh.cli.session import with_mesh
from mesh.cli.settle import Target, act_and_show
from mesh.errors import ConflictError, NotFoundError
from mesh.generation_api import GenerationView
from mesh.management import Management
from mesh.spec.rollout import AMOUNT

Command = Callable[..., Any]
NAME = click.option("-n", "--name", required=True, help="The deployment.")


def rollout_options(command: Command) -> Command:
    """Give a command the options that say how instances are replaced."""
    unavailable = click.option(
        "--max-unavailable",
        metavar="NUMBER|PERCENT%",
        callback=_given,
        help="How many may not be ready meanwhile; mesh.rollout.max_unavailable.",
    )
    surge = click.option(
        "--max-surge",
        metavar="NUMBER|PERCENT%",
        callback=_given,
        help="Instances beyond the count meanwhile; mesh.rollout.max_surge.",
    )
    return surge(unavailable(command))


def _given(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Refuse a text that would be read as if the option were not given."""
    if text is not None and not text.strip():
        raise click.BadParameter(f"{text!r}: {AMOUNT}")
    return text


def amount(text: str | None) -> int | str | None:
    """Read a number of instances; the service judges what is neither that nor a percentage."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() else text


@click.command()
@endpoint_option
@NAME
@common_options
def history(options: Options, endpoint_name: str, name: str) -> None:
    """Show what became of a deployment's last ten generations.

    Each with what it changed, and why it failed if it did.
    """
    views = with_mesh(options, lambda mesh: mesh.generations.history(endpoint_name, name))
    show(views, options, lambda: generation_list(views))


@click.command()
@endpoint_option
@NAME
@click.argument("before", type=click.IntRange(min=1), required=False, metavar="[A]")
@click.argument("after", type=click.IntRange(min=1), required=False, metavar="[B]")
@common_options
def diff(
    options: Options, endpoint_name: str, name: str, before: int | None, after: int | None
) -> None:
    """Show what differs between generation A and B.

    B is the newest one by default, A the one before it.
    """

    async def work(mesh: Management) -> Comparison:
        views = await mesh.generations.history(endpoint_name, name)
        return chosen(views, before, after)

    comparison = with_mesh(options, work)
    show(comparison, options, lambda: comparison_text(comparison))


def chosen(views: Sequence[GenerationView], before: int | None, after: int | None) -> Comparison:
    """Compare the generations that are meant.

    Raises:
        NotFoundError: there is no such generation.
        ConflictError: there is only one.
    """
    kept = {view.generation: view for view in views}
    for number in (before, after):
        if number is not None and number not in kept:
            there = ", ".join(map(str, kept))
            raise NotFoundError(f"there is no generation {number}; there are {there}")
    last = after if after is not None else max(kept)
    first = before if before is not None else max((n for n in kept if n < last), default=None)
    if first is None:
        raise ConflictError(f"there is no generation before {last} to compare it with")
    return compare(kept[first], kept[last])


@click.command()
@endpoint_option
@NAME
@click.option(
    "--to",
    type=click.IntRange(min=1),
    metavar="GENERATION",
    help="Which one; by default the one that serves, or the last good one before it if that is "
    "the newest.",
)
@rollout_options
@waiting_options
@common_options
def rollback(
    options: Options,
    patience: Patience,
    *,
    endpoint_name: str,
    name: str,
    to: int | None,
    **rollout: str | None,
) -> None:
    """Put a deployment back to an earlier generation, as a new one.

    Spec, code and model are the earlier ones; the number of instances and how it is chosen stay.
    """
    waves = {key: amount(value) for key, value in rollout.items()}
    act_and_show(
        Target(endpoint_name, name),
        options,
        patience,
        lambda mesh, _: mesh.generations.rollback(endpoint_name, name, to, **waves),
    )
