"""Which invocations may end without an answer: those that what went took with it, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.oracle import Case

# What is on its way through the broker, or is written down, as something goes.
WIRE_S = 0.25


def unexcused(cases: Iterable[Case], struck: Sequence[float]) -> list[Case]:
    """Return the invocations said to be cut that somebody alive had in hand.

    Excused is one that no gateway had queued, one whose gateway never queued anything afterwards,
    and one whose run ended in the moment that something went: its answer was on the wire.
    """
    some = list(cases)
    last: dict[str, float] = {}
    for case in some:
        if case.routed is not None:
            gateway = case.routed.gateway
            last[gateway] = max(case.routed.at_s, last.get(gateway, 0.0))
    cut = [one for one in some if one.sent.kind == "invoke" and one.is_cut]
    return [case for case in cut if not _is_excused(case, struck, last)]


def _is_excused(case: Case, struck: Sequence[float], last: dict[str, float]) -> bool:
    moments = [at_s for at_s in struck if at_s >= case.sent.at_s]
    if not moments:
        return False
    if case.routed is None:
        return min(moments) - case.sent.at_s < case.sent.timeout_s
    if last[case.routed.gateway] <= max(moments) + WIRE_S:
        return True
    return any(abs(end_s - at_s) < WIRE_S for end_s in case.ends for at_s in moments)
