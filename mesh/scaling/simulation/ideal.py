"""The count that somebody would choose who knew every request beforehand. Ring: decisions.

For each ten seconds it is the smallest with which no request waits longer than promised. Starts are
begun in time and paid for. It bounds nothing: with fewer, some requests wait longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final

import msgspec

from mesh.scaling.simulation.question import Question, Requests
from mesh.scaling.simulation.service import Service

WINDOW_S: Final = 10.0


class Ideal(msgspec.Struct, frozen=True, kw_only=True):
    """The counts, `window_s` seconds each, and what they cost."""

    window_s: float
    counts: list[int]
    worker_s: float
    cost: float

    @property
    def most_instances(self) -> int:
        """The largest count."""
        return max(self.counts, default=0)


def ideal_of(question: Question, least: int = 0) -> Ideal:
    """Find the counts for a demand, with the same requests as a replay of it.

    Args:
        question: the demand.
        least: fewest instances that may be.
    """
    service = question.service
    counts: list[int] = []
    ends: list[float] = []  # of what runs: a heap
    worker_s, count = 0.0, least
    for begin_s, requests in _windows(question):
        before = count
        count, ends = _fewest(requests, ends, (least, before), service)
        counts.append(count)
        worker_s += count * min(WINDOW_S, question.trace.end_s - begin_s)
        worker_s += max(0, count - before) * service.warmup_s
    return Ideal(
        window_s=WINDOW_S,
        counts=counts,
        worker_s=worker_s,
        cost=worker_s / 3600 * service.price,
    )


def _windows(question: Question) -> Iterator[tuple[float, Requests]]:
    begin_s, requests = 0.0, question.requests()
    here: Requests = []
    for request in requests:
        while request[0] >= begin_s + WINDOW_S:
            yield begin_s, here
            begin_s, here = begin_s + WINDOW_S, []
        here.append(request)
    while begin_s < question.trace.end_s:
        yield begin_s, here
        begin_s, here = begin_s + WINDOW_S, []


def _fewest(
    requests: Requests, ends: list[float], bounds: tuple[int, int], service: Service
) -> tuple[int, list[float]]:
    """Return the smallest count that serves the requests in time, and when what runs will end.

    Args:
        requests: when each comes and how long it runs.
        ends: when what runs now will end; a heap.
        bounds: the smallest count there may be, and one to begin the search with.
        service: how many requests an instance runs, and what is promised.
    """
    least, count = bounds
    after = _serve(requests, ends, count * service.slots, service.slo_s)
    while after is None:
        count += 1
        after = _serve(requests, ends, count * service.slots, service.slo_s)
    while count > least:
        fewer = _serve(requests, ends, (count - 1) * service.slots, service.slo_s)
        if fewer is None:
            break
        count, after = count - 1, fewer
    return count, after


def _serve(requests: Requests, ends: list[float], slots: int, slo_s: float) -> list[float] | None:
    """Return when what runs will end; None if a request would wait too long."""
    if not requests:
        return ends
    if not slots:
        return None
    heap = ends.copy()
    for at_s, run_s in requests:
        begin_s = at_s
        while heap and heap[0] <= at_s:
            heappop(heap)
        while len(heap) >= slots:
            begin_s = heappop(heap)
        if begin_s - at_s > slo_s:
            return None
        heappush(heap, begin_s + run_s)
    return heap
