"""What deployments may have: instance types, what the launcher can give, quota, and the price.

Ring: service.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec
from msgspec.structs import replace

from mesh.capacity_api import InstanceTypeView
from mesh.errors import OutOfQuotaError, SpecError
from mesh.figures import size_text
from mesh.instance_types import InstanceType, InstanceTypes
from mesh.quotas import EPSILON, Quota, QuotaRow, most_instances, needed_cores
from mesh.records import DeploymentRecord
from mesh.scaling.policy import Decision
from mesh.settings import Limits, Settings
from mesh.spec.deployment import DeploymentSpec
from scaler.launchers import Launcher, Need
from scaler.needs import need_of
from scaler.registry import Registry
from scaler.situation import wanted
from scaler.states import Address, States

BARE: Final = DeploymentSpec(name="any", endpoint_name="any")


class Capacity:
    """Tells what a deployment's instances need, and whether it may have them."""

    def __init__(
        self,
        settings: Settings,
        types: InstanceTypes,
        launcher: Launcher,
        registry: Registry,
        states: States,
    ) -> None:
        self.types = types
        self._limits: Limits = settings.scaler.limits
        self._launcher = launcher
        self._registry = registry
        self._states = states
        self._quota = Quota(settings.quota)
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Capacity {self.types!r} {self._quota!r}>"

    @property
    def limits(self) -> str:
        """How instances are held to what they are given, in words."""
        if self._limits == "none":
            return "not held: scaler.limits is none"
        return self._launcher.limits

    def need(self, spec: DeploymentSpec) -> Need:
        """What an instance of a deployment is given."""
        return need_of(spec, self._kind(spec), self._limits)

    def refuse(self, spec: DeploymentSpec) -> None:
        """Refuse what no instance can ever have here.

        Raises:
            SpecError: its type is not known, or this machine has less than it needs.
        """
        name = spec.instance_type
        if name is not None and self.types.find(name) is None:
            raise SpecError(f"instance_type: {name!r}: {self.types.unknown(name)}")
        if reason := self._launcher.lacks(self.need(spec)):
            raise SpecError(reason if reason.startswith("mesh.") else f"{_key(spec)}: {reason}")

    def warnings(self, spec: DeploymentSpec) -> list[str]:
        """What its instances get less than the deployment asks for."""
        short = self._launcher.short(self.need(spec))
        return [f"{_key(spec)}: {short}: its instances get what there is"] if short else []

    def text(self, spec: DeploymentSpec) -> str:
        """What an instance is held to, for people; empty if nothing."""
        need = self.need(spec)
        parts = [f"{need.cores:g} core{'' if need.cores == 1 else 's'}"] if need.cores else []
        parts += [size_text(need.memory_bytes)] if need.memory_bytes else []
        parts += [f"{need.gpus:.3g} GPU"] if need.gpus else []
        return ", ".join(parts)

    def price_per_hour(self, record: DeploymentRecord) -> float | None:
        """What its instances cost; None if the type has no price."""
        kind = self._kind(record.spec)
        if kind is None or kind.price_per_hour is None:
            return None
        return kind.price_per_hour * self._count(record)

    def type_views(self) -> list[InstanceTypeView]:
        """Every type, and whether an instance of it fits here."""
        return [
            InstanceTypeView(
                name=name,
                short=self._launcher.short(need_of(BARE, kind, "warn")),
                **msgspec.structs.asdict(kind),
            )
            for name, kind in self.types.items()
        ]

    def troubles(self) -> dict[str, str]:
        """What living instances have gone through, by instance."""
        running = self._launcher.running()
        return {one.address.instance: one.trouble for one in running if one.trouble}

    # ----------------------------------------------------------------------------------- quota

    def guard(self) -> AbstractAsyncContextManager[object]:
        """Hold while quota is asked for and then taken: nobody else takes it in between."""
        return self._lock if self._quota.is_on else contextlib.nullcontext()

    def require_quota(self, record: DeploymentRecord) -> None:
        """Refuse a deployment for which there is no quota; one that does not grow is let be.

        Raises:
            OutOfQuotaError: it needs more than is available.
        """
        kind, family = self._limited(record.spec)
        if kind is None:
            return
        count = self._count(record)
        needed = needed_cores(kind, count)
        if needed <= self._has(record, family):
            return
        free = self._free(record, family)
        if needed > free + EPSILON:
            instances = "1 instance" if count == 1 else f"{count} instances"
            rule = f"{instances} of {kind.cores:g}"
            rule = rule if kind.exempt else f"{rule}, a fifth more for updates"
            raise OutOfQuotaError(
                f"OutOfQuota: deployment '{record.spec.name}' needs {needed:g} cores of family "
                f"{family} ({rule}), {max(0.0, free):g} are available: 'mesh quota list' shows "
                "who has them"
            )

    def limit(self, record: DeploymentRecord, decision: Decision) -> Decision:
        """Cap what the load asks for by what quota there is, and say so."""
        scale = record.spec.autoscale
        kind, family = self._limited(record.spec)
        if kind is None or scale is None:
            return decision
        most = max(scale.min_instances, most_instances(kind, self._free(record, family)))
        if decision.count <= most:
            return decision
        reason = f"{decision.reason}, {_allowed(family, most)}"
        return replace(decision, count=most, reason=reason)

    def quota_text(self, record: DeploymentRecord) -> str:
        """What keeps the load from having as many instances as it may; empty if no quota does."""
        scale = record.spec.autoscale
        kind, family = self._limited(record.spec)
        if kind is None or scale is None:
            return ""
        most = most_instances(kind, self._free(record, family))
        return _allowed(family, most) if most < scale.max_instances else ""

    def quotas(self) -> list[QuotaRow]:
        """How every family stands."""
        return self._quota.rows(self._used())

    def _kind(self, spec: DeploymentSpec) -> InstanceType | None:
        """The type; None, the machine's share, also for one that is in no file any more."""
        return self.types.find(spec.instance_type) if spec.instance_type is not None else None

    def _limited(self, spec: DeploymentSpec) -> tuple[InstanceType | None, str]:
        """A deployment's type and family; no type if no quota limits it."""
        kind = self._kind(spec)
        family = self._quota.family(kind.family) if kind is not None else None
        return (kind, family) if family is not None else (None, "")

    def _free(self, record: DeploymentRecord, family: str) -> float:
        """The cores a deployment may use, those included that it uses now."""
        used = self._used(without=_address(record))
        return self._quota.available(family, used) - used[family]

    def _used(self, without: Address | None = None) -> defaultdict[str, float]:
        """The cores that deployments use, by family."""
        used: defaultdict[str, float] = defaultdict(float)
        for stored in self._registry.deployments():
            kind, family = self._limited(stored.record.spec)
            counts = _address(stored.record) != without and not stored.record.deleting
            if kind is not None and counts:
                used[family] += needed_cores(kind, self._count(stored.record))
        return used

    def _has(self, record: DeploymentRecord, family: str) -> float:
        """The cores of a family that a deployment uses already."""
        stored = self._registry.deployment(*_address(record))
        if stored is None:
            return 0.0
        kind, before = self._limited(stored.record.spec)
        if kind is None or before != family:
            return 0.0
        return needed_cores(kind, self._count(stored.record))

    def _count(self, record: DeploymentRecord) -> int:
        return wanted(record, self._states.get(*_address(record)))


def _address(record: DeploymentRecord) -> Address:
    return record.spec.endpoint_name, record.spec.name


def _allowed(family: str, most: int) -> str:
    return f"the quota of {family} allows {max(0, most)}"


def _key(spec: DeploymentSpec) -> str:
    return f"instance_type: {spec.instance_type!r}" if spec.instance_type else "resources"
