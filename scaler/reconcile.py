"""Decide what one deployment needs next. Pure: no clock, no I/O. Ring: decisions.

Order of a rollout: the new generation is started beside the one that serves; when all of its
instances are ready it serves and the old one is drained; if it fails first, the old one stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from mesh.records import DeploymentState
from scaler.crashes import Crashes
from scaler.situation import (
    Action,
    Collect,
    Drain,
    Instance,
    Kill,
    Launch,
    Plan,
    Remove,
    Situation,
    TakeTraffic,
    provisioning,
    wanted,
)

SILENT_S: Final = 30.0
FAILED_S: Final = 5.0
EMPTYING_S: Final = 10.0

Counts = dict[int, int]


def decide(seen: Situation, now_s: float) -> Plan:
    """Return what to do about a deployment now."""
    if seen.record.deleting:
        return _decide_removal(seen)
    state = _advance(seen)
    counts = _counts(seen, state)
    actions = [
        *_overdue(seen),
        *_launches(seen, counts, now_s),
        *_surplus(seen, counts),
        *_garbage(seen, state),
    ]
    if seen.record.all_traffic and state.serving == seen.record.generation:
        actions.append(TakeTraffic())
    return Plan(
        actions=tuple(actions), state=state, again_s=_next_start_s(seen, counts, state, now_s)
    )


def _alive(seen: Situation, generation: int) -> list[Instance]:
    """The instances that hold a place: all but those that are on their way out."""
    return [i for i in seen.instances if i.generation == generation and i.phase != "draining"]


def _ready(seen: Situation, generation: int) -> int:
    return sum(i.phase == "ready" for i in seen.instances if i.generation == generation)


def _memory(seen: Situation, generation: int) -> Crashes:
    return seen.crashes.get(generation, Crashes())


def _advance(seen: Situation) -> DeploymentState:
    """Move the state on: what has become ready serves, what cannot start has failed."""
    record, state = seen.record, seen.state
    generation, count = record.generation, wanted(record, state)
    ready, alive = _ready(seen, generation), len(_alive(seen, generation))
    reason = ""
    if generation not in (state.serving, state.failed_generation):
        if ready >= count:
            state = replace(state, serving=generation)
        elif _memory(seen, generation).are_final:
            reason = _memory(seen, generation).reason
            state = replace(state, failed_generation=generation)
    if state.failed_generation == generation:
        reason = reason or state.reason
    elif ready < count:
        reason = _trouble(_memory(seen, generation))
    if state.serving == generation and ready == alive == count:
        state = replace(state, settled=count)
    return replace(
        state,
        state=provisioning(record, state),
        reason=reason,
        generation=generation,
        ready=sum(i.phase == "ready" for i in seen.instances),
    )


def _trouble(crashes: Crashes) -> str:
    if crashes.no_room:
        return crashes.reason
    return f"{crashes.reason} (crash {crashes.count} in a row)" if crashes.count else ""


def _counts(seen: Situation, state: DeploymentState) -> Counts:
    """Return how many instances each generation should have; those not named should have none."""
    generation, count = seen.record.generation, wanted(seen.record, state)
    if state.failed_generation != generation:
        return {generation: count} | _fallback(seen, state)
    if state.serving:
        return {state.serving: count}
    # Nothing better exists: what runs may go on, but no more is started.
    return {generation: min(count, len(_alive(seen, generation)))} | _fallback(seen, state)


def _fallback(seen: Situation, state: DeploymentState) -> Counts:
    """What answers while the present generation does not: the one that serves, kept whole.

    If none has ever been ready as a whole, the ready instances of the newest older one.
    """
    generation, count = seen.record.generation, wanted(seen.record, state)
    if state.serving:
        return {state.serving: count}
    ready = {i.generation for i in seen.instances if i.phase == "ready"} - {generation}
    return {max(ready): min(count, _ready(seen, max(ready)))} if ready else {}


def _launches(seen: Situation, counts: Counts, now_s: float) -> Iterator[Action]:
    for generation, count in counts.items():
        crashes = _memory(seen, generation)
        if now_s < crashes.retry_at_s:
            continue
        alive = len(_alive(seen, generation))
        why = "restart" if crashes.count else f"{alive} of {count} instances"
        for _ in range(alive, count):
            yield Launch(generation, why)


def _surplus(seen: Situation, counts: Counts) -> Iterator[Action]:
    for generation in {i.generation for i in seen.instances}:
        alive = sorted(_alive(seen, generation), key=_worth)
        count = counts.get(generation, 0)
        serves = generation in counts
        why = f"{count} wanted" if serves else f"generation {generation} is not to serve"
        for instance in alive[: max(0, len(alive) - count)]:
            if instance.phase != "ending":
                yield Drain(instance.instance, why)


def _worth(instance: Instance) -> tuple[bool, int, str]:
    """Sort key: what costs least to lose comes first; the name only makes it repeatable."""
    return instance.phase == "ready", instance.in_flight, instance.instance


def _overdue(seen: Situation) -> Iterator[Action]:
    limits = {"draining": seen.drain_grace_s, "silent": SILENT_S, "failed": FAILED_S}
    for instance in seen.instances:
        limit_s = limits.get(instance.phase)
        if limit_s is not None and instance.for_s > limit_s:
            yield Kill(instance.instance, f"{instance.phase} for more than {limit_s:g} s")


def _garbage(seen: Situation, state: DeploymentState) -> Iterator[Action]:
    """Older generations that nothing uses. A newer one is about to become the present one."""
    used = {state.serving, *(i.generation for i in seen.instances)}
    for generation in sorted(seen.kept - used):
        if generation < seen.record.generation:
            yield Collect(generation)


def _next_start_s(
    seen: Situation, counts: Counts, state: DeploymentState, now_s: float
) -> float | None:
    waits = [
        _memory(seen, generation).retry_at_s - now_s
        for generation, count in counts.items()
        if len(_alive(seen, generation)) < count and state.failed_generation != generation
    ]
    return min((wait_s for wait_s in waits if wait_s > 0), default=None)


def _decide_removal(seen: Situation) -> Plan:
    """Drain when nothing can arrive and nothing waits, or after a bounded wait; then remove."""
    state = replace(
        seen.state,
        state="Deleting",
        reason="",
        ready=sum(i.phase == "ready" for i in seen.instances),
    )
    if not seen.instances and (seen.unrouted or _waited_enough(seen)):
        return Plan(actions=(Remove(),), state=state)
    actions = list(_overdue(seen))
    if _is_empty(seen) or _waited_enough(seen):
        actions += _surplus(seen, {})
    return Plan(actions=tuple(actions), state=state)


def _is_empty(seen: Situation) -> bool:
    if not seen.unrouted:
        return False
    return seen.waiting == 0 or not any(i.phase == "ready" for i in seen.instances)


def _waited_enough(seen: Situation) -> bool:
    return seen.deleting_for_s > EMPTYING_S + seen.record.spec.timeout_s
