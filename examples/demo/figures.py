"""What happened, as tables for people, and what should not have happened, as complaints."""

from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import quantiles

from rich.table import Table

from examples.demo.load import Outcome
from examples.stage import new_table

MOST_OFF_POINTS = 0.5


def latency_table(outcomes: list[Outcome]) -> Table:
    """A row per deployment: how many requests it answered, and how fast."""
    table = new_table("Latency in ms, as the client saw it", "deployment", "requests")
    for name in ("p50", "p95", "p99"):
        table.add_column(name, justify="right")
    for deployment, count in sorted(Counter(o.deployment for o in outcomes).items()):
        cuts = quantiles([o.seconds * 1000 for o in outcomes if o.deployment == deployment], n=100)
        row = (f"{cuts[cut - 1]:.1f}" for cut in (50, 95, 99))
        table.add_row(deployment, str(count), *row)
    return table


def split_table(outcomes: list[Outcome], wanted: Mapping[str, int]) -> Table:
    """A row per deployment: its share as asked for and as it was."""
    table = new_table("Split", "deployment", "asked for", "was", "requests")
    answered = Counter(o.deployment for o in outcomes)
    for deployment, percent in wanted.items():
        count = answered[deployment]
        was = f"{100 * count / len(outcomes):.1f}%"
        table.add_row(deployment, f"{percent}%", was, str(count))
    return table


def mirror_table(copied: Mapping[str, float], answered: Mapping[str, int]) -> Table:
    """What became of the copies for the mirror deployment."""
    table = new_table("Mirror", "copies", "count")
    for outcome, count in {**copied, **answered}.items():
        table.add_row(outcome, f"{count:.0f}")
    return table


def failures(outcomes: list[Outcome]) -> Iterator[str]:
    """Complain about each kind of request that did not succeed."""
    bad = Counter((o.status, o.text) for o in outcomes if o.status != 200)
    for (status, text), count in bad.items():
        yield f"{count} requests failed with {status}: {text}"


def split_complaints(outcomes: list[Outcome], wanted: Mapping[str, int]) -> Iterator[str]:
    """Complain if a deployment's share is off."""
    answered = Counter(o.deployment for o in outcomes)
    for deployment, percent in wanted.items():
        was = 100 * answered[deployment] / len(outcomes)
        if abs(was - percent) > MOST_OFF_POINTS:
            yield f"{deployment} got {was:.1f} % instead of {percent} %"


def mirror_complaints(
    requests: int, percent: int, copied: Mapping[str, float], answered: Mapping[str, int]
) -> Iterator[str]:
    """Complain if copies are missing, or are not as many as asked for."""
    sent = sum(copied.values())
    if abs(100 * sent / requests - percent) > 1:
        yield f"{sent:.0f} of {requests} requests were copied instead of {percent} %"
    if sum(answered.values()) != copied.get("copied", 0):
        yield f"{copied.get('copied', 0):.0f} copies were queued, but {dict(answered)}"
