"""How many cores the deployments of a family of instance types may use, and who borrows from whom.

What a deployment uses is Azure's rule, ceil(1.2 x instances) x cores: a fifth is kept for its
updates; an exempt type keeps none. A family may use its own cores always. Beyond them it may borrow
up to its limit, of what other families leave unused and of the shared pool. A family whose cores
are lent gets them back by asking: it is never refused what is its own, and until the borrowers have
shrunk they get no more. Ring: decisions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

import msgspec

from mesh.instance_types import InstanceType
from mesh.settings import QuotaSettings

RESERVE: Final = Fraction(12, 10)  # exact: 1.2 x 5 is 6, and not a little more
EPSILON: Final = 1e-9

Used = Mapping[str, float]


class QuotaRow(msgspec.Struct, frozen=True, kw_only=True):
    """A family: its own cores, those in use, borrowed, lent to others, and still to be had."""

    family: str
    cores: float
    used: float
    borrowed: float
    lent: float
    available: float


def needed_cores(kind: InstanceType, instances: int) -> float:
    """Return the cores that so many instances of a type use of its family's quota."""
    count = instances if kind.exempt else math.ceil(RESERVE * instances)
    return count * kind.cores


def most_instances(kind: InstanceType, cores: float) -> int:
    """Return how many instances of a type fit into so many cores."""
    counted = math.floor(cores / kind.cores + EPSILON)
    return counted if kind.exempt else math.floor(counted / RESERVE)


class Quota:
    """The quota that the settings give; without families everything is free."""

    def __init__(self, settings: QuotaSettings) -> None:
        self._families = settings.families
        self._spelt = {name.lower(): name for name in settings.families}
        self._shared = settings.shared_cores

    def __repr__(self) -> str:
        return f"<Quota families={len(self._families)}>"

    @property
    def is_on(self) -> bool:
        """Whether any family is limited."""
        return bool(self._families)

    def family(self, name: str) -> str | None:
        """The family of this name as the settings spell it; None if it has no quota."""
        return self._spelt.get(name.lower())

    def available(self, family: str, used: Used) -> float:
        """Return the cores that a family may use in all, beside what the others use.

        Args:
            family: one that has a quota.
            used: the cores each family uses now; its own do not matter.
        """
        own = self._families[family]
        unused = sum(self._unused(other, used) for other in self._others(family))
        lent = sum(self._borrowed(other, used) for other in self._others(family))
        return own.cores + max(0.0, min(own.borrow_cores, self._shared + unused - lent))

    def rows(self, used: Used) -> list[QuotaRow]:
        """Return how every family stands."""
        return [self._row(family, used) for family in self._families]

    def _row(self, family: str, used: Used) -> QuotaRow:
        in_use = used.get(family, 0.0)
        borrowed = sum(self._borrowed(other, used) for other in self._families)
        from_families = max(0.0, borrowed - self._shared)
        unused = sum(self._unused(other, used) for other in self._families)
        share = self._unused(family, used) / unused if unused else 0.0
        return QuotaRow(
            family=family,
            cores=self._families[family].cores,
            used=in_use,
            borrowed=self._borrowed(family, used),
            lent=min(self._unused(family, used), from_families * share),
            available=max(0.0, self.available(family, used) - in_use),
        )

    def _others(self, family: str) -> list[str]:
        return [other for other in self._families if other != family]

    def _unused(self, family: str, used: Used) -> float:
        return max(0.0, self._families[family].cores - used.get(family, 0.0))

    def _borrowed(self, family: str, used: Used) -> float:
        return max(0.0, used.get(family, 0.0) - self._families[family].cores)
