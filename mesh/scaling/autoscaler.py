"""How many instances a deployment should have, and why: the largest count that a policy asks for.

More instances are wanted at once; fewer only when nothing that was asked for still stands, and
something is known. Pure: time is a number handed in. Ring: decisions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from mesh.scaling.bounds import BoundsByTime
from mesh.scaling.holds import Held, Holds
from mesh.scaling.observation import Observation
from mesh.scaling.policies import policies_of
from mesh.scaling.policy import Asked, Decision
from mesh.scaling.profiles import Profiles
from mesh.spec.scale import ScaleSettings

HOLE_S: Final = 2.0
PROVING: Final = "a generation has to show that it starts"


class Autoscaler:
    """Decides for one deployment, and remembers what was asked for."""

    def __init__(self, scale: ScaleSettings) -> None:
        self.scale = scale
        self._policies = policies_of(scale)
        self._bounds_by_time = BoundsByTime(scale)
        self.bounds = self._bounds_by_time.at(0.0)
        self._holds = Holds()
        self._held: Held | None = None
        self._looked_s = -math.inf

    def __repr__(self) -> str:
        return f"<Autoscaler policies={len(self._policies)} {self._holds!r}>"

    def decide(self, seen: Observation, now_s: float) -> Decision:
        """Return how many instances there should be from now on.

        Args:
            seen: the load now.
            now_s: the present, of a clock that never goes back.
        """
        self.bounds = self._bounds_by_time.at(seen.at_s)
        asked = tuple(one for policy in self._policies for one in policy.ask(seen, now_s))
        own = tuple(self._own(seen, now_s))
        self._looked_s = now_s
        before, self._held = self._held, self._hold(asked + own, now_s)
        if seen.paused:
            return Decision(count=seen.current, reason="autoscaling is paused", asked=asked)
        count = self._count(seen, asked + own)
        return Decision(count=count, reason=self._reason(seen, asked, count, before), asked=asked)

    def profile(self, now_s: float) -> str:
        """Say which profile applies, where there are profiles."""
        found = (one.status(now_s) for one in self._policies if isinstance(one, Profiles))
        return next(found, "")

    def _own(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """What is kept whatever policies ask for: no data is not zero."""
        delay_s = self.scale.delay_s
        if seen.proving:
            yield Asked("proving", 1, PROVING, delay_s)
        if seen.depth is None or now_s - self._looked_s > HOLE_S:
            yield Asked("unknown", seen.current, "the load is not known,", delay_s)
        elif not seen.ready:
            yield Asked("unknown", min(1, seen.current), "no instance is heard,", delay_s)

    def _hold(self, asked: tuple[Asked, ...], now_s: float) -> Held | None:
        for one in asked:
            self._holds.add(min(one.count, self.bounds.most), one.hold_s, now_s)
        return self._holds.largest(now_s)

    def _count(self, seen: Observation, asked: tuple[Asked, ...]) -> int:
        wish = max((one.count for one in asked), default=0)
        held = self._held.instances if self._held is not None else 0
        return self.bounds.within(max(wish, min(seen.current, held)))

    def _reason(
        self, seen: Observation, asked: tuple[Asked, ...], count: int, before: Held | None
    ) -> str:
        top = max(asked, key=lambda one: one.count, default=None)
        if count < seen.current:
            return self._reason_for_fewer(top, count, before)
        if top is not None and top.count >= count:
            limit = f", {self.bounds.most_name} is {count}" if top.count > count else ""
            return f"{top.why} need {top.count}{limit}"
        if count == seen.current:
            return "as many as before"
        is_least = count == self.bounds.least
        return f"{self.bounds.least_name} is {count}" if is_least else PROVING

    def _reason_for_fewer(self, top: Asked | None, count: int, before: Held | None) -> str:
        if count == self.bounds.most:
            return f"{self.bounds.most_name} is {count}"
        if before is not None and before.hold_s > 0:
            span = f"for {before.hold_s:g} s"
            return f"no more than {count} needed {span}" if count else f"no requests {span}"
        if top is not None and top.count == count:
            return f"{top.why} need {count}"
        return f"no more than {count} needed" if count else "no requests"
