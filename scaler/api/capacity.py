"""The verbs of instance types and quota. Ring: service."""

from __future__ import annotations

from typing import Any

from mesh.api import Nothing
from mesh.capacity_api import InstanceTypeView
from mesh.quotas import QuotaRow
from scaler.api.desk import Desk


async def list_types(desk: Desk, _: Nothing) -> list[InstanceTypeView]:
    """Show every instance type."""
    return desk.capacity.type_views()


async def list_quotas(desk: Desk, _: Nothing) -> list[QuotaRow]:
    """Show how every family that has a quota stands."""
    return desk.capacity.quotas()


VERBS: dict[str, tuple[type, Any]] = {
    "instance_type.list": (Nothing, list_types),
    "quota.list": (Nothing, list_quotas),
}
