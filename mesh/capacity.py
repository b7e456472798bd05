"""Instance types and quota, asked of the management service. Ring: adapter."""

from __future__ import annotations

from mesh import api
from mesh.capacity_api import InstanceTypeView
from mesh.quotas import QuotaRow
from mesh.verbs import Verbs


class Capacity:
    """What deployments may have."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def __repr__(self) -> str:
        return f"<Capacity {self._verbs!r}>"

    async def instance_types(self) -> list[InstanceTypeView]:
        """Return every type that `instance_type` may name."""
        return await self._verbs.call("instance_type.list", api.Nothing(), list[InstanceTypeView])

    async def quotas(self) -> list[QuotaRow]:
        """Return how every family stands that has a quota."""
        return await self._verbs.call("quota.list", api.Nothing(), list[QuotaRow])
