"""At least so many instances from one time to another, by cron expressions. Ring: decisions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from cronsim import CronSim

from mesh.scaling.observation import Observation
from mesh.scaling.policy import Asked
from mesh.spec.schedules import Schedule
from mesh.spec.zones import zone_of

MINUTE_S: Final = 60
HOUR_S: Final = 3600


class Schedules:
    """Asks for the largest count of the schedules whose time it is."""

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        self._schedules = tuple(schedules)
        self._found: tuple[int, Schedule | None] | None = None

    def __repr__(self) -> str:
        return f"<Schedules {', '.join(one.title for one in self._schedules)}>"

    def ask(self, seen: Observation, now_s: float) -> Iterator[Asked]:
        """Ask for the instances of the present schedule; expressions are of whole minutes."""
        del now_s
        minute = int(seen.at_s // MINUTE_S)
        if self._found is None or self._found[0] != minute:
            present = (one for one in self._schedules if is_present(one, minute * MINUTE_S))
            self._found = minute, max(present, key=lambda one: one.instances, default=None)
        schedule = self._found[1]
        if schedule is not None:
            yield Asked("schedule", schedule.instances, f"schedule {schedule.title},")


def is_present(schedule: Schedule, at_s: float) -> bool:
    """Tell whether a schedule has started, and not ended since; at once the end counts."""
    start_s, end_s = (
        _last_s(one, schedule.timezone, at_s) for one in (schedule.start, schedule.end)
    )
    return start_s > end_s


def _last_s(cron: str, zone: str, at_s: float) -> float:
    """When an expression was met last, at `at_s` or before."""
    local = datetime.fromtimestamp(at_s, zone_of(zone))
    # In an hour that comes twice, what was met in its first turn may be later by the clock.
    ahead_s = HOUR_S if local.fold else 1
    for found in CronSim(cron, local.replace(fold=0) + timedelta(seconds=ahead_s), reverse=True):
        if (found_s := found.timestamp()) <= at_s:
            return found_s
    return -math.inf
