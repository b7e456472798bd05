"""What the end of an instance means: whose fault it was, and what to tell. Ring: decisions."""

from __future__ import annotations

import signal
from typing import Final

from mesh.exits import Exit, signal_name
from scaler.crashes import Ending
from scaler.fleet import Beat
from scaler.launchers import Ended

CODES: Final[dict[int, str]] = {
    Exit.CLEAN: "stopped without being asked to",
    Exit.BAD_SETTINGS: "refused its settings",
    Exit.NOT_STARTED: "could not start",
    Exit.BROKER_LOST: "lost the broker for good",
}
DRAINED: Final = (Exit.CLEAN, Exit.CUT_OFF)
LONGEST_REASON: Final = 4000


def may_be_boot_failure(ended: Ended) -> bool:
    """Tell whether the model may have said why it cannot start.

    The code alone does not tell: a worker that found no broker ends with the same one.
    """
    return ended.code in (Exit.NOT_STARTED, None)


def ending(ended: Ended, beat: Beat | None, told: str, now_s: float) -> Ending | None:
    """Return what to remember of an instance's end; None if it had been asked to stop.

    Args:
        ended: how the process ended.
        beat: its last heartbeat.
        told: why it says it could not start, if it said so.
        now_s: the present.
    """
    draining = beat is not None and beat.said.state == "draining" and ended.code in (*DRAINED, None)
    if ended.running.draining_since_s is not None or draining:
        return None
    ready_at_s = beat.ready_at_s if beat is not None else None
    return Ending(
        reason=_reason(ended, told),
        ready_for_s=now_s - ready_at_s if ready_at_s is not None else 0.0,
        boot_failed=bool(told),
    )


def _reason(ended: Ended, told: str) -> str:
    if told:
        why = f"{ended.why}\n" if ended.why else ""
        return why + told[-LONGEST_REASON:]
    how = code_text(ended.code)
    if ended.why and ended.code in (-signal.SIGKILL, None):
        how = f"{how}, {ended.why}"
    who = f"instance {ended.running.address.instance}: {how}"
    if ended.code in (0, None) or (ended.code or 0) < 0:
        return who
    return f"{who}\n{ended.last_words}".rstrip()[-LONGEST_REASON:]


def code_text(code: int | None) -> str:
    """Say what an exit code means."""
    if code is None:
        return "ended"
    if code < 0:
        return f"killed by {signal_name(-code)}"
    return f"exited with code {code}" + (f", {CODES[code]}" if code in CODES else "")
