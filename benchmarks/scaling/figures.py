"""What the runs say: means over the seeds, and who is on the better side of whom."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator

import msgspec

from mesh.scaling.simulation.ideal import Ideal
from mesh.scaling.simulation.outcome import Outcome

IDEAL = "ideal"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One replay: the axes, and what explains them."""

    trace: str
    policy: str
    seed: int
    requests: int
    late: int
    refused: int = 0
    timed_out: int = 0
    wait_mean_s: float = 0.0
    wait_p99_s: float = 0.0
    worker_s: float
    most_instances: int
    changes: int

    @classmethod
    def of(cls, policy: str, outcome: Outcome) -> Run:
        """Keep of an outcome what is compared."""
        return cls(
            trace=outcome.trace,
            policy=policy,
            seed=outcome.seed,
            requests=outcome.requests,
            late=outcome.late,
            refused=outcome.refused,
            timed_out=outcome.timed_out,
            wait_mean_s=outcome.waits.mean_s,
            wait_p99_s=outcome.waits.p99_s,
            worker_s=outcome.worker_s,
            most_instances=outcome.most_instances,
            changes=len(outcome.changes),
        )

    @classmethod
    def of_ideal(cls, outcome: Outcome, ideal: Ideal) -> Run:
        """The ideal for the same requests: nobody is late."""
        return cls(
            trace=outcome.trace,
            policy=IDEAL,
            seed=outcome.seed,
            requests=outcome.requests,
            late=0,
            worker_s=ideal.worker_s,
            most_instances=ideal.most_instances,
            changes=sum(a != b for a, b in zip(ideal.counts, ideal.counts[1:], strict=False)),
        )


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A policy on a trace, the mean of all seeds; `late_share` with its smallest and largest."""

    trace: str
    policy: str
    late_share: float
    late_shares: tuple[float, float]
    lost_share: float
    wait_mean_s: float
    wait_p99_s: float
    worker_s: float
    most_instances: int
    changes: float


def rows_of(runs: Iterable[Run]) -> list[Row]:
    """Sum up the runs, a row for each policy on each trace, in their order."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.trace, run.policy), []).append(run)
    return [_row(trace, policy, group) for (trace, policy), group in groups.items()]


def _row(trace: str, policy: str, runs: list[Run]) -> Row:
    shares = [run.late / run.requests for run in runs]
    return Row(
        trace=trace,
        policy=policy,
        late_share=statistics.fmean(shares),
        late_shares=(min(shares), max(shares)),
        lost_share=statistics.fmean((run.refused + run.timed_out) / run.requests for run in runs),
        wait_mean_s=statistics.fmean(run.wait_mean_s for run in runs),
        wait_p99_s=statistics.fmean(run.wait_p99_s for run in runs),
        worker_s=statistics.fmean(run.worker_s for run in runs),
        most_instances=max(run.most_instances for run in runs),
        changes=statistics.fmean(run.changes for run in runs),
    )


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Ours beside another on one trace, by the two axes."""

    trace: str
    other: str
    fewer_late: bool
    cheaper: bool

    @property
    def is_won(self) -> bool:
        """Whether ours is on the better side on both."""
        return self.fewer_late and self.cheaper


def verdicts(rows: Iterable[Row], ours: str) -> Iterator[Verdict]:
    """Compare our policy with each other one on each trace."""
    known = {(row.trace, row.policy): row for row in rows}
    for (trace, policy), other in known.items():
        if policy in (ours, IDEAL):
            continue
        mine = known[trace, ours]
        yield Verdict(
            trace=trace,
            other=policy,
            fewer_late=mine.late_share <= other.late_share,
            cheaper=mine.worker_s <= other.worker_s,
        )
