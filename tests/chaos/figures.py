"""The figures of an overload, made of the load generator's log and the gauges; what was wanted."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from tests.chaos.gauges import Sample
from tests.chaos.oracle import WAY_S, Case, Verdict

SETTLED_S = 10.0
LAST_S = 20.0
MOST_GROWTH = 1.1
MOST_REFUSAL_MS = 50.0
LEAST_GOODPUT = 180.0
OFFERED_WITHIN = 0.1


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    what: str
    measured: str
    wanted: str = ""
    is_met: bool = True


def goodput(cases: Iterable[Case], begin_s: float, end_s: float) -> float:
    """Return how many a second were answered in time, between two times."""
    good = sum(
        case.is_success and not is_late(case) and begin_s <= case.answers[0].at_s < end_s
        for case in cases
    )
    return good / (end_s - begin_s)


def is_late(case: Case) -> bool:
    """Whether its answer came after its deadline, which counts from the broker's stamp."""
    return case.answer is not None and case.answer.at_s > case.deadline_s + WAY_S


def behind_s(cases: Iterable[Case], rate: float) -> float:
    """Return how far behind its times the load generator was at most: these are in the ids."""
    late_s = [case.sent.at_s - int(case.sent.id.rpartition("-")[2]) / rate for case in cases]
    return max(late_s) - min(late_s)


def refusals_ms(cases: Iterable[Case]) -> list[float]:
    """Return how long each refusal took, the shortest first."""
    return sorted(
        1000 * (case.answer.at_s - case.sent.at_s)
        for case in cases
        if case.answer is not None and case.answer.status == 429
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that so many are not above; 0 of none."""
    return values[max(0, math.ceil(share * len(values)) - 1)] if values else 0.0


def growth(samples: Sequence[Sample]) -> list[tuple[str, float, float]]:
    """Return the memory of each process 10 s after the start and at the end, largest ratio first.

    A process that began later is compared with 10 s after its own beginning.
    """
    grown = []
    for name in samples[-1].memory_mib:
        seen = [one for one in samples if name in one.memory_mib]
        settled = [one for one in seen if one.at_s >= seen[0].at_s + SETTLED_S]
        if settled:
            grown.append((name, settled[0].memory_mib[name], samples[-1].memory_mib[name]))
    return sorted(grown, key=lambda one: one[1] / one[2])


def of_overload(
    cases: Sequence[Case], verdict: Verdict, samples: Sequence[Sample], rate: float
) -> list[Figure]:
    """Return the figures of a deployment that cannot grow."""
    begin_s = min(case.sent.at_s for case in cases)
    end_s = max(case.sent.at_s for case in cases)
    good = goodput(cases, begin_s, end_s)
    return [
        Figure(
            what="answered within their deadline",
            measured=f"{good:.1f}/s",
            wanted=f">= {LEAST_GOODPUT:g}/s",
            is_met=good >= LEAST_GOODPUT,
        ),
        *_of_refusals(cases),
        _of_generator(cases, rate),
        *_of_promises(cases, verdict),
        *_of_offered(samples, rate),
        *_of_memory(samples),
    ]


def of_scaling(
    cases: Sequence[Case], verdict: Verdict, samples: Sequence[Sample], rate: float, most: int
) -> list[Figure]:
    """Return the figures of a deployment that may grow to `most` instances."""
    end_s = max(case.sent.at_s for case in cases)
    late = [case for case in cases if case.sent.at_s >= end_s - LAST_S]
    good, refused = goodput(cases, end_s - LAST_S, end_s), refusals_ms(late)
    peak = max(sample.ready for sample in samples)
    return [
        Figure(
            what="instances ready, at most",
            measured=str(peak),
            wanted=str(most),
            is_met=peak == most,
        ),
        Figure(what="instances ready over time", measured=instances(samples)),
        Figure(
            what=f"answered within their deadline, last {LAST_S:g} s",
            measured=f"{good:.1f}/s",
            wanted=f"> {LEAST_GOODPUT:g}/s",
            is_met=good > LEAST_GOODPUT,
        ),
        Figure(
            what=f"refused, last {LAST_S:g} s",
            measured=f"{len(refused)} of {len(late)}",
        ),
        _of_generator(cases, rate),
        *_of_promises(cases, verdict),
    ]


def instances(samples: Sequence[Sample]) -> str:
    """Say when how many were ready."""
    changes = [after for before, after in pairwise(samples) if after.ready != before.ready]
    return ", ".join(f"{one.ready} after {one.at_s:.0f} s" for one in changes)


def _of_generator(cases: Sequence[Case], rate: float) -> Figure:
    late_s = behind_s(cases, rate)
    return Figure(
        what="the load generator was behind its times, at most",
        measured=f"{late_s:.2f} s",
        wanted=f"<= {WAY_S:g} s",
        is_met=late_s <= WAY_S,
    )


def _of_refusals(cases: Sequence[Case]) -> list[Figure]:
    waits_ms = refusals_ms(cases)
    p99_ms = percentile(waits_ms, 0.99)
    return [
        Figure(what="refused with 429", measured=f"{len(waits_ms)} of {len(cases)}"),
        Figure(
            what="a refusal takes, p99",
            measured=f"{p99_ms:.1f} ms (p50 {percentile(waits_ms, 0.5):.1f} ms)",
            wanted=f"<= {MOST_REFUSAL_MS:g} ms",
            is_met=p99_ms <= MOST_REFUSAL_MS,
        ),
    ]


def _of_promises(cases: Sequence[Case], verdict: Verdict) -> list[Figure]:
    waits_s = sorted(one.answers[0].at_s - one.sent.at_s for one in cases if one.is_success)
    counts = {
        "answered after their deadline": sum(case.is_success and is_late(case) for case in cases),
        "accepted, then 408": verdict.errors.get("408 deadline_exceeded", 0),
        "other errors": sum(verdict.errors.values())
        - verdict.errors.get("408 deadline_exceeded", 0),
        "lost": verdict.lost,
        "answered twice": verdict.duplicated,
        "run after their deadline": verdict.dead_work,
        "contradictions of the witnesses": len(verdict.strange),
    }
    return [
        Figure(
            what="an answer takes, p50 and p99",
            measured=f"{percentile(waits_s, 0.5):.2f} s, {percentile(waits_s, 0.99):.2f} s",
        ),
        *(
            Figure(what=what, measured=str(count), wanted="0", is_met=not count)
            for what, count in counts.items()
        ),
    ]


def _of_offered(samples: Sequence[Sample], rate: float) -> list[Figure]:
    seen = [
        sample.offered_per_s
        for sample in samples
        if sample.at_s >= SETTLED_S and sample.offered_per_s is not None
    ]
    middle = percentile(sorted(seen), 0.5)
    return [
        Figure(
            what="the scaler sees offered, median",
            measured=f"{middle:.0f}/s",
            wanted=f"{rate:g}/s within {OFFERED_WITHIN:.0%}",
            is_met=abs(middle - rate) <= OFFERED_WITHIN * rate,
        )
    ]


def _of_memory(samples: Sequence[Sample]) -> list[Figure]:
    return [
        Figure(
            what=f"memory of {name}, after {SETTLED_S:g} s and at the end",
            measured=f"{before:.1f} MiB, {after:.1f} MiB ({after / before:.2f}x)",
            wanted=f"<= {MOST_GROWTH:g}x",
            is_met=after <= MOST_GROWTH * before,
        )
        for name, before, after in growth(samples)
    ]
