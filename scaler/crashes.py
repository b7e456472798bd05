"""What is remembered of a generation's crashes, and when its next instance may start.

Pure: time is a number handed in. Ring: decisions.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mesh.backoff import backoff_s

TRIES: Final = 3
STABLE_S: Final = 10.0


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The shortest and the longest wait before an instance is started again."""

    first_s: float = 0.5
    longest_s: float = 30.0

    def boot_delay_s(self, count: int) -> float:
        """Seconds until the next try of a generation that has never served: 0.5, 1, 2."""
        return backoff_s(count, self.first_s, self.longest_s)

    def restart_delay_s(self, count: int) -> float:
        """Seconds until the restart of one that has: none, then 0.5, 1, 2 ... at most 30."""
        return 0.0 if count <= 1 else self.boot_delay_s(count - 1)


DEFAULT_PACE: Final = Pace()


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How an instance ended that nobody had asked to stop.

    `ready_for_s` is how long it had been ready, 0 if never; `boot_failed` says that the model
    itself cannot start, so that trying again is of no use; `no_room` that it is of use for ever.
    """

    reason: str
    ready_for_s: float = 0.0
    boot_failed: bool = False
    no_room: bool = False


class Crashes(msgspec.Struct, frozen=True, kw_only=True):
    """The crashes of one generation since it was last stable.

    Instances that crash before the next start is due count as one crash: they had one cause.
    """

    count: int = 0
    retry_at_s: float = 0.0
    reason: str = ""
    boot_failed: bool = False
    no_room: bool = False

    def after(
        self, ending: Ending, now_s: float, *, has_served: bool, pace: Pace = DEFAULT_PACE
    ) -> Crashes:
        """Return the memory with one more ending in it.

        Args:
            ending: how the instance ended.
            now_s: the present.
            has_served: the generation has been ready as a whole, so it is restarted for ever.
            pace: how long to wait between starts.
        """
        due = now_s >= self.retry_at_s
        count = 1 if ending.ready_for_s >= STABLE_S else self.count + due
        count = min(count, TRIES) if ending.no_room else count
        delay_s = pace.restart_delay_s(count) if has_served else pace.boot_delay_s(count)
        return Crashes(
            count=count,
            retry_at_s=now_s + delay_s if due else self.retry_at_s,
            reason=ending.reason,
            boot_failed=self.boot_failed or ending.boot_failed,
            no_room=ending.no_room,
        )

    @property
    def are_final(self) -> bool:
        """Whether a generation that never served is given up."""
        return self.boot_failed or self.count > TRIES
