"""How instance types and quota look to people. Ring: values."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table

from mesh.capacity_api import InstanceTypeView
from mesh.cli.output import new_table
from mesh.quotas import QuotaRow


def type_list(views: Sequence[InstanceTypeView]) -> Table:
    """Instance types, a row each; a name is whole at 80 columns, as it is typed elsewhere."""
    table = new_table("Name", "Cores", "Memory", "GPUs", "Price", "Fits", "Family")
    table.columns[0].no_wrap = table.columns[3].no_wrap = True
    for view in views:
        table.add_row(
            view.name,
            f"{view.cores:g}",
            f"{view.memory_gib:g} GiB",
            _gpus_text(view),
            "" if view.price_per_hour is None else f"{view.price_per_hour:g}",
            "no" if view.short else "yes",
            view.family,
        )
    return table


def _gpus_text(view: InstanceTypeView) -> str:
    """How many GPUs, or how much of one, and the memory of each."""
    memory = f"x{view.gpu_memory_gib:g} GiB" if view.gpu_memory_gib else ""
    return f"{view.gpus:g}{memory}" if view.gpus else ""


def quota_list(rows: Sequence[QuotaRow]) -> RenderableType:
    """Families that have a quota, a row each."""
    if not rows:
        return "no quota: quota.families of the settings is empty"
    table = new_table("Family", "Cores", "Used", "Borrowed", "Lent", "Available")
    for row in rows:
        figures = row.cores, row.used, row.borrowed, row.lent, row.available
        table.add_row(row.family, *(f"{figure:g}" for figure in figures))
    return table
