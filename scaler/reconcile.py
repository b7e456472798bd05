"""Decide what one deployment needs next. Pure: no clock, no I/O. Ring: decisions.

A new generation takes over in waves (`rollout`) and serves once as many as wanted are ready. If it
fails first, the one that serves takes over again, in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from mesh.reason import headline
from mesh.records import DeploymentState
from scaler.rollout import (
    aim_of,
    alive,
    launches,
    memory,
    next_start_s,
    ready,
    replacements,
    retirements,
)
from scaler.situation import (
    Action,
    Collect,
    Drain,
    Instance,
    Kill,
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
KEPT: Final = 10  # records of generations
LONGEST_HEADLINE: Final = 500


def decide(seen: Situation, now_s: float) -> Plan:
    """Return what to do about a deployment now."""
    if seen.record.deleting:
        return _decide_removal(seen)
    state = _advance(seen)
    aim = aim_of(seen, state)
    drains = retirements(seen, aim)
    gone = {drain.instance for drain in drains}
    actions: list[Action] = [
        *_overdue(seen),
        *drains,
        *(one for one in replacements(seen, aim, now_s) if one.instance not in gone),
        *launches(seen, aim, gone, now_s),
        *_garbage(seen, state),
    ]
    if seen.record.all_traffic and state.serving == seen.record.generation:
        actions.append(TakeTraffic())
    return Plan(actions=tuple(actions), state=state, again_s=next_start_s(seen, aim, now_s))


def _advance(seen: Situation) -> DeploymentState:
    """Move the state on: what has become ready serves, what cannot start has failed."""
    record, state = seen.record, seen.state
    generation, count = record.generation, wanted(record, state)
    own = [i for i in alive(seen) if i.generation == generation]
    reason = ""
    if generation not in (state.serving, state.failed_generation):
        if ready(own) >= count:
            state = replace(state, serving=generation)
        elif reason := _failure(seen, own):
            state = _fail(state, generation, reason)
    if state.failed_generation == generation:
        reason = reason or state.reason
    elif ready(own) < count:
        reason = _trouble(seen, own)
    if state.serving == generation and ready(own) == len(own) == count:
        state = replace(state, settled=count)
    return replace(
        state,
        state=provisioning(record, state),
        reason=reason,
        generation=generation,
        ready=ready(seen.instances),
    )


def _fail(state: DeploymentState, generation: int, reason: str) -> DeploymentState:
    failures = {**state.failures, generation: headline(reason)[:LONGEST_HEADLINE]}
    kept = {one: text for one, text in failures.items() if one > generation - KEPT}
    return replace(state, failed_generation=generation, failures=kept)


def _failure(seen: Situation, own: list[Instance]) -> str:
    """Why the new generation is given up; empty while it may still become ready."""
    crashes = memory(seen, seen.record.generation)
    if crashes.are_final:
        return crashes.reason or "it cannot start"
    if not seen.state.serving:
        return ""  # there is nothing to go back to, so everything is tried again
    limit_s = seen.record.spec.mesh.rollout.progress_deadline_s
    for instance in own:
        if instance.phase == "suspect":
            return _complaint(instance)
        if instance.phase in ("starting", "unready") and instance.for_s > limit_s:
            return f"{_complaint(instance)} (for {instance.for_s:.0f} s, {limit_s:g} s are given)"
    return ""


def _trouble(seen: Situation, own: list[Instance]) -> str:
    """Why fewer are ready than wanted, if something is wrong."""
    crashes = memory(seen, seen.record.generation)
    if crashes.no_room:
        return crashes.reason
    if crashes.count:
        return f"{crashes.reason} (crash {crashes.count} in a row)"
    return next((_complaint(i) for i in own if i.phase in ("unready", "suspect")), "")


def _complaint(instance: Instance) -> str:
    text = f"instance {instance.instance} is {instance.phase}"
    return f"{text}: {instance.reason}" if instance.reason else text


def _overdue(seen: Situation) -> Iterator[Action]:
    limits = {"draining": seen.drain_grace_s, "silent": SILENT_S, "failed": FAILED_S}
    for instance in seen.instances:
        limit_s = limits.get(instance.phase)
        if limit_s is not None and instance.for_s > limit_s:
            yield Kill(instance.instance, f"{instance.phase} for more than {limit_s:g} s")


def _garbage(seen: Situation, state: DeploymentState) -> Iterator[Action]:
    """Old generations that nothing uses. A newer one is about to become the present one."""
    used = {state.serving, *(i.generation for i in seen.instances)}
    for generation in sorted(seen.kept - used):
        if generation <= seen.record.generation - KEPT:
            yield Collect(generation)


def _decide_removal(seen: Situation) -> Plan:
    """Drain when nothing can arrive and nothing waits, or after a bounded wait; then remove."""
    state = replace(
        seen.state,
        state="Deleting",
        reason="",
        ready=ready(seen.instances),
    )
    if not seen.instances and (seen.unrouted or _waited_enough(seen)):
        return Plan(actions=(Remove(),), state=state)
    actions = list(_overdue(seen))
    if _is_empty(seen) or _waited_enough(seen):
        actions += [
            Drain(i.instance, "it is being deleted") for i in alive(seen) if i.phase != "ending"
        ]
    return Plan(actions=tuple(actions), state=state)


def _is_empty(seen: Situation) -> bool:
    if not seen.unrouted:
        return False
    return seen.waiting == 0 or not ready(seen.instances)


def _waited_enough(seen: Situation) -> bool:
    return seen.deleting_for_s > EMPTYING_S + seen.record.spec.timeout_s
