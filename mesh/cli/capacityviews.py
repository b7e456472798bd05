"""How instance types and quota look to people. Ring: values."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table

from mesh.capacity_api import InstanceTypeView
from mesh.cli.output import new_table
from mesh.quotas import QuotaRow


def type_list(views: Sequence[InstanceTypeView]) -> Table:
    """Instance types, a row each."""
    table = new_table(
        "Name", "Cores", "Memory", "GPUs", "GPU memory", "Per hour", "Family", "Fits here"
    )
    for view in views:
        table.add_row(
            view.name,
            f"{view.cores:g}",
            f"{view.memory_gib:g} GiB",
            f"{view.gpus:g}" if view.gpus else "",
            f"{view.gpu_memory_gib:g} GiB" if view.gpu_memory_gib else "",
            "" if view.price_per_hour is None else f"{view.price_per_hour:g}",
            view.family,
            "no" if view.short else "yes",
        )
    return table


def quota_list(rows: Sequence[QuotaRow]) -> RenderableType:
    """Families that have a quota, a row each."""
    if not rows:
        return "no quota: quota.families of the settings is empty"
    table = new_table("Family", "Cores", "Used", "Borrowed", "Lent", "Available")
    for row in rows:
        figures = row.cores, row.used, row.borrowed, row.lent, row.available
        table.add_row(row.family, *(f"{figure:g}" for figure in figures))
    return table
