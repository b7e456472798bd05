"""How an instance conducts itself: whether it answers as well as others do. Ring: decisions.

Is a new generation no worse than the one it is to replace (probation)? Is an instance far worse
than at least half of its siblings (the brake)? What nobody knows is never held against it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from mesh.wire import Depth

PROBATION_ANSWERS: Final = 20
PROBATION_S: Final = 10.0
PROBATION_POINTS: Final = 0.05
ROUNDING: Final = 1e-9
UNHEARD_S: Final = 2.0
STALE_S: Final = 5.0
WINDOW_S: Final = 30.0
LOOK_S: Final = 1.0
LEAST_ANSWERS: Final = 20
BRAKE_POINTS: Final = 0.25
BRAKE_ERRORS: Final = 6.0
HOLD_S: Final = 2.5  # by then every sibling has told of the time since
LONGEST_HOLD_S: Final = 10.0  # by then they have answered enough, if they are asked at all

Told = dict[str, tuple[int, int]]
Verdict = Literal["probation", "alone", "ready", "held", "suspect"]


class Record(NamedTuple):
    """How many answers, and how many of them were failures of the model."""

    answers: int = 0
    failures: int = 0

    @property
    def share(self) -> float:
        """The share of failures; 0 of no answers."""
        return self.failures / self.answers if self.answers else 0.0

    def without(self, part: Record) -> Record:
        """What is left without a part of it."""
        answers = max(0, self.answers - part.answers)
        return Record(answers, min(answers, max(0, self.failures - part.failures)))

    def __str__(self) -> str:
        return f"{self.failures} of {self.answers} answers failed ({self.share:.0%})"


def is_worse(own: Record, serving: Record, *, is_over: bool) -> bool:
    """Tell whether a newcomer has failed too often for its probation, however it goes on.

    It may fail as often as the serving generation, and in five of a hundred answers more. If the
    time `is_over` it does not go on.
    """
    answers = own.answers if is_over else max(own.answers, PROBATION_ANSWERS)
    return own.failures > (serving.share + PROBATION_POINTS) * answers + ROUNDING


def is_far_worse(own: Record, sibling: Record) -> bool:
    """Tell whether an instance fails so much more often than another that it is no chance.

    At least 20 answers on either side, 25 points between them, and six standard errors of the
    difference: 20 failures in a row where the other has none in 20 are enough, 15 in 20 are not.
    """
    if min(own.answers, sibling.answers) < LEAST_ANSWERS:
        return False
    difference = own.share - sibling.share
    both = pooled((own, sibling)).share
    error = math.sqrt(both * (1 - both) * (1 / own.answers + 1 / sibling.answers))
    return difference >= BRAKE_POINTS and difference >= BRAKE_ERRORS * error


def outdoing(own: Record, siblings: list[Record]) -> list[Record]:
    """Return the siblings that it is far worse than; none if they are less than half of them."""
    better = [sibling for sibling in siblings if is_far_worse(own, sibling)]
    return better if 2 * len(better) >= len(siblings) else []


def pooled(records: Iterable[Record]) -> Record:
    """One record of several."""
    each = list(records)
    return Record(sum(one.answers for one in each), sum(one.failures for one in each))


class Look(NamedTuple):
    """How things stood at a time: what it had answered itself, and what was told of all."""

    at_s: float
    own: Record
    told: Told


class _Serving(NamedTuple):
    """What was told last of the generation that serves, and when."""

    generation: int
    record: Record
    heard_s: float


class Conduct:
    """What is known of one instance and of others, and the verdict on it. Time is handed in.

    `reason` says the figures of a verdict against it. `alone`: a newcomer serves as any other until
    it hears of a scaler; its probation is still to come.
    """

    def __init__(self, instance: str, generation: int, now_s: float) -> None:
        self._instance = instance
        self._generation = generation
        self._began_s = now_s
        self._start = Record()
        self._past: deque[Look] = deque()
        self._depth: Depth | None = None
        self._serving = _Serving(0, Record(), -math.inf)
        self._heard_s = self._held_s = 0.0
        self._forgiven_s = -math.inf
        self.verdict: Verdict = "probation" if generation > 1 else "ready"
        self.reason = ""

    def __repr__(self) -> str:
        return f"<Conduct {self.verdict} {self.reason}>"

    def begin(self, total: Record, now_s: float) -> None:
        """Count from here on: it begins to serve. What it has heard before it keeps."""
        self._start, self._began_s = total, now_s

    @property
    def has_heard(self) -> bool:
        """Whether the scaler has said anything of the deployment."""
        return self._depth is not None

    def hear(self, depth: Depth, now_s: float) -> None:
        """Take in what the scaler says of the deployment."""
        if self.verdict == "alone":
            self._began_s = now_s
        self._depth, self._heard_s = depth, now_s
        if counts := depth.health.get(str(depth.serving)):
            self._serving = _Serving(depth.serving, Record(*counts), now_s)

    def judge(self, total: Record, *, is_busy: bool, now_s: float) -> bool:
        """Look at what it has answered since its start; tell whether the verdict has changed.

        `is_busy`: a request is in its hands, whose end is still to come.
        """
        before = self.verdict
        if before in ("probation", "alone"):
            self.verdict = self._of_newcomer(total.without(self._start), is_busy, now_s)
        elif before in ("ready", "held"):
            self._look(total, now_s)
            self.verdict = self._of_sibling(total, now_s)
        return self.verdict != before

    def _of_newcomer(self, own: Record, is_busy: bool, now_s: float) -> Verdict:
        for_s, depth = now_s - self._began_s, self._depth
        if depth is None:
            return "probation" if for_s < UNHEARD_S else "alone"
        if not 0 < depth.serving < self._generation:
            return "ready"
        serving = self._shown_by(depth.serving, now_s)
        is_over = for_s >= PROBATION_S and (own.answers > 0 or not is_busy)
        if serving.answers and is_worse(own, serving, is_over=is_over):
            return self._accuse(own, f"generation {depth.serving}", serving)
        has_shown = own.answers >= PROBATION_ANSWERS and (serving.answers or not own.failures)
        return "ready" if is_over or has_shown else "probation"

    def _shown_by(self, generation: int, now_s: float) -> Record:
        """What the serving generation has answered lately; a new scaler does not know at first."""
        last = self._serving
        is_known = last.generation == generation and now_s - last.heard_s <= WINDOW_S
        return last.record if is_known else Record()

    def is_full(self, total: Record) -> bool:
        """Whether a newcomer has had all the answers of its probation, and waits for a verdict."""
        own = total.without(self._start)
        return self.verdict == "probation" and own.answers >= PROBATION_ANSWERS

    def _of_sibling(self, total: Record, now_s: float) -> Verdict:
        own = total.without(self._past[0].own)
        siblings = self._siblings(self._past[0].told, now_s)
        better = outdoing(own, siblings)
        held_s = now_s - self._held_s
        if self.verdict == "ready":
            if better or (not siblings and self._is_suspicious(own, now_s)):
                self._held_s = now_s
                return "held"
        elif better and held_s >= HOLD_S:
            return self._accuse(own, f"{len(better)} of its siblings", pooled(better))
        elif better or (not siblings and held_s < LONGEST_HOLD_S):
            return "held"
        else:
            self._forgiven_s = now_s
        return "ready"

    def _is_suspicious(self, own: Record, now_s: float) -> bool:
        """Whether it is far worse than siblings ever were; what they do now is not known."""
        is_forgiven = now_s - self._forgiven_s < WINDOW_S
        return not is_forgiven and bool(outdoing(own, self._siblings({}, now_s)))

    def _accuse(self, own: Record, whom: str, others: Record) -> Verdict:
        self.reason = f"{own}; of {whom} {others}"
        return "suspect"

    def _told(self, now_s: float) -> Told:
        """What each of its generation has answered since its start; nothing if that is old."""
        if self._depth is None or now_s - self._heard_s > STALE_S:
            return {}
        return self._depth.instances.get(str(self._generation), {})

    def _siblings(self, before: Told, now_s: float) -> list[Record]:
        """What others have answered since, those that have answered enough."""
        grown = [
            Record(*counts).without(Record(*before.get(instance, (0, 0))))
            for instance, counts in self._told(now_s).items()
            if instance != self._instance
        ]
        return [one for one in grown if one.answers >= LEAST_ANSWERS]

    def _look(self, total: Record, now_s: float) -> None:
        """Remember how things stand once a second, for half a minute."""
        past = self._past
        if not past or now_s - past[-1].at_s >= LOOK_S:
            past.append(Look(now_s, total, self._told(now_s)))
        while len(past) > 1 and now_s - past[0].at_s > WINDOW_S:
            past.popleft()
