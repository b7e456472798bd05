"""`mesh instance-type list` and `mesh quota list`: what deployments may have."""

from __future__ import annotations

import click

from mesh.cli.capacityviews import quota_list, type_list
from mesh.cli.options import Options, common_options
from mesh.cli.output import show
from mesh.cli.session import with_mesh


@click.group("instance-type")
def instance_type() -> None:
    """See what instance_type may name."""


@instance_type.command("list")
@common_options
def list_types(options: Options) -> None:
    """List the instance types: what they give, and what they cost."""
    views = with_mesh(options, lambda mesh: mesh.capacity.instance_types())
    show(views, options, lambda: type_list(views))


@click.group()
def quota() -> None:
    """See how many cores deployments may use."""


@quota.command("list")
@common_options
def list_quotas(options: Options) -> None:
    """List the families that have a quota, and who uses what.

    Own cores, used, borrowed, lent to others, and available.
    """
    rows = with_mesh(options, lambda mesh: mesh.capacity.quotas())
    show(rows, options, lambda: quota_list(rows))
