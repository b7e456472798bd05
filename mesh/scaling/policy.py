"""How many instances a deployment should have, and why. Pure: time is a number handed in.

Every target that is set asks for a count; the largest wins, within the bounds. More instances are
wanted at once; fewer only when no more were asked for during the whole delay and nothing was
unknown in it. Ring: decisions.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from mesh.scaling.observation import Observation
from mesh.spec.runtime import ScaleSettings

HOLE_S: Final = 2.0


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The count from now on, why, and what each target asked for."""

    count: int
    reason: str
    asked: dict[str, int] = {}


class Asked(msgspec.Struct, frozen=True):
    """What a target asks for. `why` is a clause that lacks the count."""

    target: str
    count: int
    why: str


class PeakWindow:
    """The largest count asked for lately, and whether somebody looked all the time."""

    def __init__(self) -> None:
        self._peaks: deque[tuple[float, int]] = deque()
        self._looked_s = -math.inf

    def __repr__(self) -> str:
        return f"<PeakWindow peaks={list(self._peaks)}>"

    def has_hole(self, now_s: float) -> bool:
        """Tell whether the last look was too long ago to know what happened since."""
        return now_s - self._looked_s > HOLE_S

    def record(self, now_s: float, count: int, span_s: float) -> int:
        """Add a count; return the largest of the last `span_s` seconds."""
        self._looked_s = now_s
        while self._peaks and self._peaks[-1][1] <= count:
            self._peaks.pop()
        self._peaks.append((now_s, count))
        while now_s - self._peaks[0][0] > span_s:
            self._peaks.popleft()
        return self._peaks[0][1]


def decide(scale: ScaleSettings, seen: Observation, window: PeakWindow, now_s: float) -> Decision:
    """Return how many instances there should be from now on.

    Args:
        scale: the bounds and the targets.
        seen: the load now.
        window: what was asked for before; this look is added to it.
        now_s: the present.
    """
    least = max(scale.min_instances, int(seen.proving))
    most = scale.max_instances
    asked = list(_asked(scale, seen))
    wish = max((one.count for one in asked), default=0)
    if not seen.is_complete or window.has_hole(now_s):
        wish = max(wish, seen.current)
    wanted = max(least, min(most, wish))
    peak = window.record(now_s, wanted, scale.delay_s)
    count = max(wanted, min(seen.current, peak, most))
    return Decision(
        count=count,
        reason=_reason(scale, seen, asked, count),
        asked={one.target: one.count for one in asked},
    )


def _asked(scale: ScaleSettings, seen: Observation) -> Iterator[Asked]:
    """What each target asks for; none asks for anything while there is no demand."""
    if seen.shadows:
        yield Asked("shadows", 1, f"{_requests(seen.shadows)} copied from another deployment,")
    if not seen.depth and not seen.active and not seen.refused_per_s:
        return
    text = f"{_requests(seen.depth)} queued or running," if seen.depth else "requests come,"
    yield Asked("demand", 1, text)
    yield from _asked_by_depth(scale, seen, seen.depth or 0)
    yield from _asked_by_refusals(scale, seen)
    if scale.target_cpu_percentage is not None and seen.cpu_percent is not None:
        most = scale.target_cpu_percentage
        count = math.ceil(seen.working * seen.cpu_percent / most)
        why = f"{seen.cpu_percent:.0f}% CPU on each of {seen.working}, {most}% is the target,"
        yield Asked("cpu", count, why)


def _asked_by_depth(scale: ScaleSettings, seen: Observation, depth: int) -> Iterator[Asked]:
    load = f"{_requests(depth)} queued or running,"
    percent = scale.utilization_percentage
    if percent is not None:
        count = math.ceil(depth * 100 / (seen.slots * percent))
        yield Asked("utilization", count, f"{load} {seen.slots} at once to {percent}%,")
    each = scale.target_messages_per_instance
    if each is not None:
        yield Asked("messages", math.ceil(depth / each), f"{load} {each} per instance,")
    wait_ms, service_s = scale.target_wait_ms, seen.service_s
    if wait_ms is not None and service_s is not None:
        # The last of D requests waits (D / (n * slots) - 1) * service time. Those that run now
        # keep their places: a target of a long wait is no reason to build up a queue.
        run = math.ceil(min(depth, seen.working * seen.slots) / seen.slots)
        wait = math.ceil(depth * service_s / (seen.slots * (service_s + wait_ms / 1000)))
        why = f"{load} {service_s * 1000:.0f} ms each, to wait at most {wait_ms} ms,"
        yield Asked("wait", max(run, wait), why)


def _asked_by_refusals(scale: ScaleSettings, seen: Observation) -> Iterator[Asked]:
    """What it takes to serve what was refused too: no queue shows that."""
    if not seen.refused_per_s or seen.offered_per_s is None or seen.service_s is None:
        return
    percent = scale.utilization_percentage or 100
    at_once = seen.offered_per_s * seen.service_s
    why = (
        f"{seen.offered_per_s:.0f} requests/s offered, {seen.refused_per_s:.0f} of them refused, "
        f"{seen.service_s * 1000:.0f} ms each,"
    )
    yield Asked("offered", math.ceil(at_once * 100 / (seen.slots * percent)), why)


def _reason(scale: ScaleSettings, seen: Observation, asked: list[Asked], count: int) -> str:
    if count < seen.current:
        return _reason_for_fewer(scale, count)
    top = max(asked, key=lambda one: one.count, default=None)
    if top is not None and top.count >= count:
        limit = f", max_instances is {count}" if top.count > count else ""
        return f"{top.why} need {top.count}{limit}"
    if count == seen.current:
        return "as many as before"
    if count == scale.min_instances:
        return f"min_instances is {count}"
    return "a generation has to show that it starts"


def _reason_for_fewer(scale: ScaleSettings, count: int) -> str:
    if count == scale.max_instances:
        return f"max_instances is {count}"
    if count == 0:
        return f"no requests for {scale.delay_s:g} s"
    return f"no more than {count} needed for {scale.delay_s:g} s"


def _requests(count: int | None) -> str:
    return "1 request" if count == 1 else f"{count or 0} requests"
