"""What became of every request, judged from three witnesses that know nothing of each other.

The load generator's log says what was asked and answered, the model's log what was run, and the
broker at the end what it still holds. Nothing here touches a process or a file.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

import msgspec

from tests.chaos.excuses import unexcused
from tests.chaos.journal import (
    QUEUED,
    Accepted,
    Answered,
    Entry,
    Routed,
    Run,
    Sent,
    Struck,
    Unanswered,
)

# A deadline counts from the broker's stamp, which is this much later than the sending at most.
WAY_S = 0.25
# Within this the answer to a run that has ended must be out.
BACK_S = 0.5
# Within this of its death another instance must have begun: the ack wait, and a busy machine.
AGAIN_S = 2.5


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker holds once the load is over and everything has had its time.

    `left`: messages in the lanes and in `INGRESS`; `stale`: those besides that were acknowledged,
    and not erased; `pending`: handed out and not acknowledged;
    `results`: ids with a result; `overwritten`: results that were stored and then replaced;
    `dead`: ids in `DEAD`; `deliveries` and `queued`: how often the lanes handed a message out, and
    how many messages they ever held.
    """

    left: int = 0
    stale: int = 0
    pending: int = 0
    results: Collection[str] = ()
    overwritten: int = 0
    dead: Sequence[str] = ()
    deliveries: int = 0
    queued: int = 0

    @property
    def redelivered(self) -> int:
        """How often a message was handed out once more, hand-backs included."""
        return max(0, self.deliveries - self.queued)


class Case(msgspec.Struct, kw_only=True):
    """One request, as the witnesses tell of it together."""

    sent: Sent
    accepted: Accepted | None = None
    answers: list[Answered] = msgspec.field(default_factory=list)
    silence: Unanswered | None = None
    begins: list[float] = msgspec.field(default_factory=list)
    ends: list[float] = msgspec.field(default_factory=list)
    routed: Routed | None = None
    has_no_excuse: bool = False

    @property
    def is_queued(self) -> bool:
        """Whether its answer is a kept result."""
        return self.sent.kind in QUEUED

    @property
    def deadline_s(self) -> float:
        """When it must have begun."""
        return self.sent.at_s + self.sent.timeout_s

    @property
    def answer(self) -> Answered | None:
        """The first answer."""
        return self.answers[0] if self.answers else None

    @property
    def is_success(self) -> bool:
        """Whether the model's answer came, and is that of this request."""
        answer = self.answer
        return answer is not None and answer.status == 200 and answer.own == self.sent.id

    @property
    def is_foreign(self) -> bool:
        """Whether it got another request's answer."""
        return any(one.status == 200 and one.own != self.sent.id for one in self.answers)

    @property
    def is_refused(self) -> bool:
        """Whether the caller was told that nothing will be done: it may try again."""
        if self.silence is not None:
            return self.silence.why in ("refused", "unconfirmed")
        answer = self.answer
        told = answer is not None and answer.status in (429, 503)
        return told and answer is not None and answer.error != "answer_unknown"

    @property
    def is_cut(self) -> bool:
        """Whether it was on its way through what went."""
        return self.silence is not None and self.silence.why == "cut" and not self.has_no_excuse

    @property
    def is_gone(self) -> bool:
        """Whether its caller did not want the answer."""
        return self.silence is not None and self.silence.why == "gone"

    @property
    def is_accepted(self) -> bool:
        """Whether the mesh owes it an end."""
        if self.is_queued:
            return self.accepted is not None
        return not (self.is_refused or self.is_cut or self.is_gone)

    @property
    def is_lost(self) -> bool:
        """Whether it was accepted, and its caller was left without the end it was owed."""
        if not self.is_accepted:
            return False
        answer = self.answer
        if answer is None:
            return True
        return answer.status == 408 and not self.is_queued and self._is_neglected

    @property
    def _is_neglected(self) -> bool:
        """Whether it was run in time, yet never answered; or begun, and never again."""
        if any(end_s < self.deadline_s - BACK_S for end_s in self.ends):
            return True
        return bool(self.begins) and max(self.begins) < self.deadline_s - AGAIN_S

    @property
    def dead_runs(self) -> int:
        """How many runs of it began when nobody could have waited any more."""
        return sum(at_s > self.deadline_s + WAY_S for at_s in self.begins)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one row. `strange`: what contradicts itself, each a sentence."""

    sent: int
    refused: int
    accepted: int
    answered_once: int
    errors: dict[str, int]
    answer_unknown: int
    cut: int
    cut_kinds: dict[str, int]
    lost: int
    duplicated: int
    dead_work: int
    longest_gap_s: float
    slowest_s: float
    redelivered: int
    rerun: int
    stale: int
    dead: list[str]
    strange: list[str]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, answered twice or run in vain, and all witnesses agree."""
        return not (self.lost or self.duplicated or self.dead_work or self.strange)


def judge(entries: Iterable[Entry], runs: Iterable[Run], broker: Broker) -> Verdict:
    """Compare the three witnesses."""
    noted = list(entries)
    cases = cases_of(noted)
    strange = add_runs(cases, runs)
    for case in unexcused(cases.values(), [one.at_s for one in noted if isinstance(one, Struck)]):
        case.has_no_excuse = True
    cuts = Counter(case.sent.kind for case in cases.values() if case.is_cut)
    owed = [case for case in cases.values() if case.is_accepted]
    errors = Counter(error for case in owed if (error := error_of(case)))
    unknown = errors.pop("503 answer_unknown", 0)
    return Verdict(
        sent=len(cases),
        refused=sum(case.is_refused for case in cases.values()),
        accepted=len(owed),
        answered_once=sum(case.is_success and len(case.answers) == 1 for case in owed),
        errors=dict(errors),
        answer_unknown=unknown,
        cut=cuts.total(),
        cut_kinds=dict(cuts),
        lost=sum(case.is_lost for case in owed),
        duplicated=sum(len(case.answers) > 1 for case in cases.values()) + broker.overwritten,
        dead_work=sum(case.dead_runs for case in cases.values()),
        longest_gap_s=longest_gap_s(cases.values()),
        slowest_s=max((latency_s(case) for case in owed), default=0.0),
        redelivered=broker.redelivered,
        rerun=sum(len(case.begins) > 1 for case in cases.values()),
        stale=broker.stale,
        dead=sorted(broker.dead),
        strange=[*strange, *contradictions(cases, broker)],
    )


def cases_of(entries: Iterable[Entry]) -> dict[str, Case]:
    """Gather the load generator's log by request."""
    cases: dict[str, Case] = {}
    for entry in entries:
        match entry:
            case Sent():
                cases[entry.id] = Case(sent=entry)
            case Accepted():
                cases[entry.id].accepted = entry
            case Answered():
                cases[entry.id].answers.append(entry)
            case Unanswered():
                cases[entry.id].silence = entry
            case Routed() if entry.id in cases:
                cases[entry.id].routed = entry
    return cases


def add_runs(cases: dict[str, Case], runs: Iterable[Run]) -> list[str]:
    """Add what the model ran; return what it ran that nobody had asked for."""
    unasked: set[str] = set()
    for run in runs:
        case = cases.get(run.id)
        if case is None:
            unasked.add(run.id)
        elif run.event == "begin":
            case.begins.append(run.at_s)
        else:
            case.ends.append(run.at_s)
    return [f"run, but never asked for: {', '.join(sorted(unasked)[:5])}"] if unasked else []


def contradictions(cases: dict[str, Case], broker: Broker) -> list[str]:
    """Say where the witnesses contradict each other, or an end was not a clean one."""
    owed = [case for case in cases.values() if case.accepted is not None]
    found = {
        "got the answer of another request": [c for c in cases.values() if c.is_foreign],
        "answered, but never run": [c for c in cases.values() if c.is_success and not c.ends],
        "accepted, but the broker has no result": [
            case for case in owed if case.accepted and case.accepted.name not in broker.results
        ],
    }
    said = [f"{len(some)} {text}: {some[0].sent.id}" for text, some in found.items() if some]
    if broker.left or broker.pending:
        said.append(f"the broker still holds {broker.left}, of which {broker.pending} handed out")
    return said


def error_of(case: Case) -> str:
    """Status and code of an answer that is an error; empty if it is none."""
    answer = case.answer
    if answer is None or answer.status == 200 or case.is_lost:
        return ""
    return f"{answer.status} {answer.error}".rstrip()


def latency_s(case: Case) -> float:
    """How long the caller of a synchronous request waited for its answer; 0 for others."""
    return case.answer.at_s - case.sent.at_s if case.answer and not case.is_queued else 0.0


def longest_gap_s(cases: Iterable[Case]) -> float:
    """The longest time in which no synchronous request was answered with success."""
    times = [
        case.answer.at_s for case in cases if case.answer and case.is_success and not case.is_queued
    ]
    times.sort()
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)
