"""What schedules must hold beyond the types of their keys. Ring: values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from cronsim import CronSim, CronSimError

from mesh.spec.scale import ScaleSettings
from mesh.spec.schedules import Schedule
from mesh.spec.violation import Path, Violation, problem_of
from mesh.spec.zones import zone_of

ANY_TIME: Final = datetime(2024, 1, 1, tzinfo=UTC)


def schedule_violations(scale: ScaleSettings) -> Iterator[Violation]:
    """Yield every rule that the schedules break."""
    for index, schedule in enumerate(scale.schedules):
        path: Path = ("scale_settings", "schedules", index)
        yield from _one(schedule, path)
        if schedule.instances > scale.max_instances:
            rule = f"must be at most max_instances, {scale.max_instances}"
            yield Violation((*path, "instances"), schedule.instances, rule)


def _one(schedule: Schedule, path: Path) -> Iterator[Violation]:
    for key, text in (("start", schedule.start), ("end", schedule.end)):
        if rule := problem_of(check_cron, text):
            yield Violation((*path, key), text, rule)
    if schedule.start.split() == schedule.end.split():
        yield Violation((*path, "end"), schedule.end, "must differ from start")
    if rule := problem_of(zone_of, schedule.timezone):
        yield Violation((*path, "timezone"), schedule.timezone, rule)


def check_cron(text: str) -> None:
    """Hold a text against what a cron expression must be.

    Raises:
        ValueError: it is none, or none of its times ever comes.
    """
    if len(text.split()) != 5:
        raise ValueError("must be five fields: minute, hour, day of month, month, day of week")
    try:
        first = next(CronSim(text, ANY_TIME), None)
    except CronSimError as exc:
        raise ValueError(f"must be a cron expression: {str(exc).lower()}") from exc
    if first is None:
        raise ValueError("must name a time that comes")
