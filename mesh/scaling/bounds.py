"""Between which counts a deployment may be: the profile of the time may say. Ring: decisions."""

from __future__ import annotations

import msgspec

from mesh.scaling.timetable import Timetable
from mesh.spec.scale import ScaleSettings


class Bounds(msgspec.Struct, frozen=True):
    """The fewest and the most instances, and how reasons call them."""

    least: int
    most: int
    least_name: str = "min_instances"
    most_name: str = "max_instances"

    def within(self, count: int) -> int:
        """The nearest count that is allowed."""
        return max(self.least, min(self.most, count))


class BoundsByTime:
    """The bounds of a deployment: those of the profile that applies, where there are profiles."""

    def __init__(self, scale: ScaleSettings) -> None:
        self._usual = Bounds(scale.min_instances, scale.max_instances)
        self._timetable = Timetable(scale.profiles)

    def __repr__(self) -> str:
        return f"<BoundsByTime {self._timetable!r}>"

    def at(self, at_s: float) -> Bounds:
        """Return the bounds at a Unix time."""
        profile = self._timetable.at(at_s)
        if profile is None:
            return self._usual
        return Bounds(
            profile.capacity.least,
            profile.capacity.most,
            f"min of profile {profile.name}",
            f"max of profile {profile.name}",
        )
