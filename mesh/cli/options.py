"""Options that many commands share, and lists of values in the manner of `az`. Ring: values."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, Literal, get_args

import click
import jmespath
import jmespath.exceptions
import msgspec

from mesh.errors import SpecError

OutputFormat = Literal["table", "json", "yaml", "tsv", "none"]

Command = Callable[..., Any]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the person chose for any command."""

    output: OutputFormat | None = None
    query: str | None = None
    state_dir: str | None = None

    @property
    def is_for_people(self) -> bool:
        """Whether the result is to be laid out for reading."""
        return self.query is None and self.output in (None, "table")


def refuse_bad_query(query: str | None) -> None:
    """Refuse what is not JMESPath.

    Raises:
        SpecError: the query cannot be read.
    """
    if query is None:
        return
    try:
        jmespath.compile(query)
    except jmespath.exceptions.JMESPathError as exc:
        reason = " ".join(str(exc).split())
        raise SpecError(f"--query {query!r}: is not JMESPath: {reason}") from exc


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to wait for an operation's end, and how long at most."""

    no_wait: bool = False
    timeout_s: float | None = None


def common_options(command: Command) -> Command:
    """Give a command `-o`, `--query` and `--state-dir`, passed as one `options`."""

    @click.option(
        "-o",
        "--output",
        type=click.Choice(get_args(OutputFormat)),
        envvar="MESH_OUTPUT",
        help="How to print the result: for people (table) or for machines.",
    )
    @click.option("--query", metavar="JMESPATH", help="Print only this part of the result.")
    @click.option(
        "--state-dir",
        metavar="FOLDER",
        help="State folder of the mesh that is meant; by default MESH_STATE_DIR says it.",
    )
    @functools.wraps(command)
    def run(
        *, output: OutputFormat | None, query: str | None, state_dir: str | None, **rest: Any
    ) -> Any:
        refuse_bad_query(query)  # before anything is done
        chosen = Options(output=output, query=query, state_dir=state_dir)
        return command(options=chosen, **rest)

    return run


def waiting_options(command: Command) -> Command:
    """Give a command `--no-wait` and `--timeout`, passed as one `patience`."""

    @click.option("--no-wait", is_flag=True, help="Do not wait for the operation's end.")
    @click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Wait at most this long; the operation goes on.",
    )
    @functools.wraps(command)
    def run(*, no_wait: bool, timeout_s: float | None, **rest: Any) -> Any:
        return command(patience=Patience(no_wait=no_wait, timeout_s=timeout_s), **rest)

    return run


def confirm(question: str) -> None:
    """Ask a person; only a yes goes on.

    Raises:
        Abort: the answer is no.
        UsageError: nobody can answer.
    """
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort as exc:
        if isinstance(exc.__context__, EOFError):
            click.echo(err=True)
            raise click.UsageError("nobody is there to answer: --yes says it beforehand") from None
        raise


def endpoint_option(command: Command) -> Command:
    """Give a command on a deployment `-e`."""
    return click.option(
        "-e", "--endpoint-name", "--endpoint", "endpoint_name", required=True, help="The endpoint."
    )(command)


SET_HELP: Final = "Change a value, such as request_settings.request_timeout_ms=3000; repeatable."
LISTS: Final = ("--set", "--traffic", "--mirror-traffic")


class ListCommand(click.Command):
    """A command whose list options take several values: `--set a=1 b=2`, as `az` does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each further value."""
        return super().parse_args(ctx, repeat_lists(args))


def repeat_lists(args: list[str]) -> list[str]:
    """Write `--set a=1 b=2` as `--set a=1 --set b=2`."""
    repeated: list[str] = []
    current, taken = "", False
    for arg in args:
        if arg.startswith("-"):
            current, taken = (arg if arg in LISTS else ""), False
        elif current and taken and "=" in arg:
            repeated.append(current)
        elif current:
            taken = True
        repeated.append(arg)
    return repeated
