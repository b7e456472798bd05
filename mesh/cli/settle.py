"""Asking for a change of a deployment and waiting, in sight, until it has settled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import click

from mesh.api import DeploymentView, EndpointView
from mesh.cli.exits import DeploymentFailedError
from mesh.cli.options import Options, Patience
from mesh.cli.output import show
from mesh.cli.progress import Waiting
from mesh.cli.session import Begun, leave_going, with_mesh
from mesh.cli.views import curl_text, deployment_list, is_behind, progress_text, split_text
from mesh.management import Management

FIRST_PERCENT: Final = 10

Act = Callable[[Management, Waiting], Awaitable[DeploymentView]]


class Target(NamedTuple):
    """The deployment a command is about."""

    endpoint: str
    name: str

    def __str__(self) -> str:
        return f"deployment {self.name} of endpoint {self.endpoint}"

    @property
    def show_command(self) -> str:
        """The command that shows it."""
        return f"mesh deployment show -e {self.endpoint} -n {self.name}"


def act_and_show(target: Target, options: Options, patience: Patience, act: Act) -> None:
    """Do it, wait for its end unless told not to, and show the outcome.

    Raises:
        DeploymentFailedError: it ended as Failed, with the reason.
        DeadlineExceededError: it has not ended in time.
    """
    with leave_going(target.show_command) as begun, Waiting(str(target)) as line:
        view, owner = with_mesh(
            options, lambda mesh: _act_and_wait(mesh, target, patience, act, (begun, line))
        )
    if not patience.no_wait:
        refuse_failed(view)
    show(view, options, lambda: deployment_list([view]))
    if options.is_for_people:
        click.echo(f"\n{next_text(view, owner)}")


async def _act_and_wait(
    mesh: Management, target: Target, patience: Patience, act: Act, signs: tuple[Begun, Waiting]
) -> tuple[DeploymentView, EndpointView]:
    begun, line = signs
    async with mesh.watch(target.endpoint, target.name) as watch:
        view = await act(mesh, line)
        begun.is_begun = True
        for warning in view.warnings:  # at once: what is shown in the end is another view
            line.tell(f"warning: {warning}")
        if not patience.no_wait:
            view = await watch.settled(
                view.generation,
                timeout_s=patience.timeout_s,
                on_view=lambda view: line.show(progress_text(view)),
            )
    return view, await mesh.get_endpoint(target.endpoint)


def refuse_failed(view: DeploymentView) -> None:
    """Turn a deployment that did not succeed into an error with the reason.

    Raises:
        DeploymentFailedError: it did not succeed.
    """
    if view.provisioning_state == "Succeeded":
        return
    serving = ""
    if is_behind(view):
        serving = f"; generation {view.serving_generation} goes on serving"
    where = f"deployment {view.name} of endpoint {view.endpoint_name}"
    raise DeploymentFailedError(
        f"{where} ended as {view.provisioning_state} (generation {view.generation}){serving}\n"
        f"{view.reason.rstrip() or 'no reason was given'}"
    )


def first_share(name: str, traffic: Mapping[str, int]) -> dict[str, int]:
    """Propose a split for a deployment without traffic: a tenth, or all if nobody has any."""
    split = {other: percent for other, percent in traffic.items() if percent}
    if not split:
        return {name: 100}
    largest = max(split, key=lambda other: split[other])
    share = min(FIRST_PERCENT, split[largest])
    return split | {largest: split[largest] - share, name: share}


def next_text(view: DeploymentView, owner: EndpointView) -> str:
    """Where a deployment can be called now, and how."""
    if not owner.scoring_uri:
        return "No gateway is running: there is no scoring URI yet."
    lines = [f"Scoring URI: {owner.scoring_uri}"]
    if view.traffic:
        lines.append(curl_text(owner))
    else:
        first_split = split_text(first_share(view.name, owner.traffic))
        lines += [
            f"It gets no traffic yet. Call it by name: {curl_text(owner, view.name)}",
            f'Give it traffic: mesh endpoint update -n {owner.name} --traffic "{first_split}"',
        ]
    return "\n".join(lines)
