"""How a new generation takes the place of the old one: in waves, as Kubernetes counts them.

Ring: values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta, Struct

from mesh.spec.violation import Violation

if TYPE_CHECKING:
    from mesh.spec.deployment import DeploymentSpec

DEFAULT_SURGE: Final = "20%"
PERCENT: Final = re.compile(r"([0-9]{1,3})%")
AMOUNT: Final = "must be a whole number of instances, or a percentage such as 20%"


class RolloutOptions(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How an update replaces the instances. A change of it alone starts no new generation."""

    max_surge: Annotated[
        int | str,
        Meta(
            description="Instances beyond the wanted count while it lasts: a number, or a "
            "percentage of the count, rounded up."
        ),
    ] = DEFAULT_SURGE
    max_unavailable: Annotated[
        int | str,
        Meta(
            description="How many of the wanted count may not be ready while it lasts: a number, "
            "or a percentage of the count, rounded down."
        ),
    ] = 0
    progress_deadline_s: Annotated[
        float,
        Meta(
            ge=1,
            description="Seconds that one new instance may take to become ready; then the update "
            "has failed.",
        ),
    ] = 600.0

    def surge(self, count: int) -> int:
        """Instances that may be there beyond `count`."""
        return _amount(self.max_surge, count, math.ceil)

    def unavailable(self, count: int) -> int:
        """How many of `count` may not be ready; 1 if otherwise nothing could be replaced."""
        most = min(count, _amount(self.max_unavailable, count, math.floor))
        return most if most or self.surge(count) else 1


def rollout_violations(spec: DeploymentSpec) -> Iterator[Violation]:
    """Yield every rule about rollouts that a deployment breaks."""
    options, sound = spec.mesh.rollout, True
    for key in ("max_surge", "max_unavailable"):
        value = getattr(options, key)
        if not is_amount(value):
            sound = False
            yield Violation(("mesh", "rollout", key), value, AMOUNT)
    if not sound:
        return
    if _percent(options.max_unavailable) > 100:
        rule = "must be at most 100%"
        yield Violation(("mesh", "rollout", "max_unavailable"), options.max_unavailable, rule)
    if not _is_some(options.max_surge) and not _is_some(options.max_unavailable):
        rule = "must not be 0 while max_surge is 0: nothing could be replaced"
        yield Violation(("mesh", "rollout", "max_unavailable"), options.max_unavailable, rule)


def is_amount(value: int | str) -> bool:
    """Tell whether a value is a number of instances, or a percentage of them."""
    if isinstance(value, str):
        return PERCENT.fullmatch(value) is not None
    return value >= 0


def _percent(value: int | str) -> int:
    return int(value[:-1]) if isinstance(value, str) else 0


def _is_some(value: int | str) -> bool:
    return bool(_percent(value) if isinstance(value, str) else value)


def _amount(value: int | str, count: int, rounded: Callable[[float], int]) -> int:
    return rounded(count * _percent(value) / 100) if isinstance(value, str) else value
