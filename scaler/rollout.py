"""Which instances come and go next so that one generation takes the place of the others.

It goes in waves: so many new ones start, and as each becomes ready one of the others may go. The
same holds the other way round when the new generation has failed. Pure. Ring: decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from mesh.records import DeploymentState
from scaler.crashes import Crashes
from scaler.situation import Drain, Instance, Launch, Phase, Replace, Situation, wanted

SCALING_S: Final = 60.0  # how long a new generation waits for instances of the old one to start
JOINED_S: Final = 10.0  # by then one that a person has started is as busy as the others
# What costs least to lose comes first.
WORTH: Final[Mapping[Phase, int]] = {"ready": 3, "probation": 2, "starting": 1}

Instances = list[Instance]


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """What is to become of a deployment's instances.

    `count` of `generation`, at most `surge` more alive of all generations together, at most
    `unavailable` of the count not ready. `most` instances of `generation` may be there now.
    `fallback`: the generation of which instances are started to make up for those that
    `generation` lacks, 0 if none may be; `kept`: how many others stay until it lacks none.
    """

    generation: int
    count: int
    surge: int
    unavailable: int
    most: int
    fallback: int
    kept: int

    @property
    def room(self) -> int:
        """How many instances there may be in all."""
        return self.count + self.surge


def alive(seen: Situation) -> Instances:
    """The instances that hold a place: all but those that are on their way out."""
    return [i for i in seen.instances if i.phase != "draining"]


def ready(instances: Iterable[Instance], generation: int | None = None) -> int:
    """How many are ready, of one generation or of all."""
    return sum(i.phase == "ready" and generation in (None, i.generation) for i in instances)


def aim_of(seen: Situation, state: DeploymentState) -> Aim:
    """Return what is to become of the instances, the newest generation having come so far."""
    newest, options = seen.record.generation, seen.record.spec.mesh.rollout
    count = wanted(seen.record, state)
    surge, unavailable = options.surge(count), options.unavailable(count)
    failed = state.failed_generation == newest
    generation = state.serving if failed and state.serving else newest
    own = [i for i in alive(seen) if i.generation == generation]
    most, fallback = count, 0
    if failed and not state.serving:
        most = min(count, len(own))  # nothing better exists: what runs may go on
    elif state.serving not in (0, generation):
        fallback = state.serving
        most = min(count, ready(own) + surge + unavailable)
    # What slept goes on sleeping while one instance of the new generation proves itself.
    slept = not state.settled or state.target == 0
    if slept and count == 1 and len(own) == len(alive(seen)):
        fallback = 0
    return Aim(
        generation=generation,
        count=count,
        surge=surge,
        unavailable=unavailable,
        most=most,
        fallback=fallback,
        kept=max(0, count - unavailable - ready(own)),
    )


def replacements(seen: Situation, aim: Aim, now_s: float) -> Iterator[Replace]:
    """Suspects of what serves, one at a time: none while another is being made up for."""
    living = alive(seen)
    for generation in {aim.generation, aim.fallback}:
        own = sorted((i for i in living if i.generation == generation), key=lambda i: i.instance)
        suspects = [i for i in own if i.phase == "suspect"]
        least = min(aim.most, aim.count) if generation == aim.generation else aim.kept
        least = min(least, aim.room - (len(living) - len(own)))  # for more there is no room
        is_whole = len(own) >= least and not any(_is_coming(i) for i in own)
        if suspects and is_whole and now_s >= memory(seen, generation).retry_at_s:
            yield Replace(suspects[0].instance, generation, suspects[0].reason or "suspect")


def retirements(seen: Situation, aim: Aim) -> list[Drain]:
    """Who has to go now. No ready one goes while fewer than the count less `unavailable` are."""
    living = sorted(alive(seen), key=lambda i: _worth(i, aim))
    own = [i for i in living if i.generation == aim.generation]
    others = [i for i in living if i.generation != aim.generation]
    useful = [i for i in others if _is_useful(i, aim)]
    gone = {i.instance: f"generation {i.generation} is not to serve" for i in others}
    for instance in useful[max(0, len(useful) - aim.kept) :]:
        del gone[instance.instance]
    gone |= dict.fromkeys(_names(own[: max(0, len(own) - aim.count)]), f"{aim.count} wanted")
    staying = [i for i in living if i.instance not in gone]
    spare = [i for i in staying if i.phase != "ready"][: max(0, len(staying) - aim.room)]
    gone |= dict.fromkeys(_names(spare), f"{aim.count} wanted")
    ending = {i.instance for i in living if i.phase == "ending"}
    return [Drain(name, why) for name, why in gone.items() if name not in ending]


def launches(seen: Situation, aim: Aim, gone: set[str], now_s: float) -> Iterator[Launch]:
    """Who starts now, when those of `gone` have gone: first what makes up for what is missing."""
    staying = [i for i in alive(seen) if i.instance not in gone]
    room = max(0, aim.room - len(staying))
    own = [i for i in staying if i.generation == aim.generation]
    others = [i for i in staying if i.generation != aim.generation]
    makes_up = 0
    if aim.fallback and _is_due(seen, aim.fallback, now_s):
        makes_up = min(room, max(0, aim.kept - len(others)))
    yield from _launch(seen, aim.fallback, makes_up, (len(others), aim.kept))
    waits = (makes_up > 0 and not own) or _scales_first(seen, aim, staying, now_s)
    if waits or not _is_due(seen, aim.generation, now_s):
        return
    count = min(room - makes_up, aim.most - len(own))
    yield from _launch(seen, aim.generation, count, (len(own), aim.count))


def memory(seen: Situation, generation: int) -> Crashes:
    """What is remembered of a generation's crashes."""
    return seen.crashes.get(generation, Crashes())


def next_start_s(seen: Situation, aim: Aim, now_s: float) -> float | None:
    """In how many seconds a start that has to wait is due, None if none waits."""
    generations = {aim.generation: aim.most, aim.fallback: aim.kept}
    waits = [
        memory(seen, generation).retry_at_s - now_s
        for generation, most in generations.items()
        if sum(i.generation == generation for i in alive(seen)) < most
    ]
    return min((wait_s for wait_s in waits if wait_s > 0), default=None)


def _launch(
    seen: Situation, generation: int, count: int, reached: tuple[int, int]
) -> Iterator[Launch]:
    why = f"{reached[0]} of {reached[1]} instances"
    if memory(seen, generation).count:
        why = "restart"
    for _ in range(count):
        yield Launch(generation, why)


def _scales_first(seen: Situation, aim: Aim, staying: Instances, now_s: float) -> bool:
    """Whether the old generation is on its way to a count that changed with the new one.

    What cannot start must not keep its remedy from starting: a crash ends the wait.
    """
    crashes = memory(seen, aim.fallback)
    has_crashed = crashes.count > 0 and now_s - crashes.retry_at_s < SCALING_S
    if not aim.fallback or has_crashed or any(i.generation == aim.generation for i in staying):
        return False
    return any(i.phase == "starting" and i.for_s < SCALING_S for i in staying)


def _is_due(seen: Situation, generation: int, now_s: float) -> bool:
    return now_s >= memory(seen, generation).retry_at_s


def _is_coming(instance: Instance) -> bool:
    return instance.phase in ("starting", "probation", "ending")


def _is_useful(instance: Instance, aim: Aim) -> bool:
    """Whether one of another generation may stay: it answers, or is meant to."""
    return instance.phase == "ready" or instance.generation == aim.fallback


def _worth(instance: Instance, aim: Aim) -> tuple[int, bool, bool, int, bool, str]:
    """Sort key: what costs least to lose comes first; the name only makes it repeatable.

    Who has just joined has nothing in flight yet, which says nothing of how busy it will be.
    """
    lasts = instance.generation in (aim.generation, aim.fallback)
    worth, busy = WORTH.get(instance.phase, 0), instance.in_flight
    joins = instance.by_hand and instance.for_s < JOINED_S
    return worth, lasts, joins, busy, instance.by_hand, instance.instance


def _names(instances: Instances) -> list[str]:
    return [i.instance for i in instances]
