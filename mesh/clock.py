"""The broker's clock, as this host can tell it.

Deadlines count from the broker's timestamp of a message, so that no host's clock is trusted. The
offset is measured by asking the broker for something that carries its time, and kept for the
sample with the shortest round trip. Ring: values and decisions.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

NS: Final = 1_000_000_000
_FRACTION: Final = re.compile(r"\.(\d+)")


class Sample(NamedTuple):
    """One measurement: the broker's Unix time at our monotonic time, and its uncertainty."""

    broker_s: float
    local_s: float
    round_trip_s: float


def parse_broker_time(text: str) -> float:
    """Read the broker's RFC 3339 time (nanoseconds, UTC) as Unix seconds."""
    fraction = _FRACTION.search(text)
    whole = datetime.fromisoformat(_FRACTION.sub("", text).replace("Z", "+00:00"))
    seconds = whole.astimezone(UTC).timestamp()
    return seconds + (float(f"0.{fraction[1]}") if fraction else 0.0)


class BrokerClock:
    """Translates the broker's timestamps to our monotonic clock."""

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._round_trip_s = float("inf")
        self.round_trip_s = 0.0005

    def __repr__(self) -> str:
        return f"<BrokerClock offset={self._offset_s} rtt={self.round_trip_s:.6f}>"

    def record(self, sample: Sample) -> None:
        """Take a sample; one with a much longer round trip than the best only ages the best."""
        self.round_trip_s = 0.8 * self.round_trip_s + 0.2 * sample.round_trip_s
        if sample.round_trip_s <= self._round_trip_s * 1.5:
            self._offset_s = sample.broker_s - sample.local_s
            self._round_trip_s = min(self._round_trip_s, sample.round_trip_s)
        else:
            self._round_trip_s *= 1.2

    def local_s(self, broker_ns: int, now_s: float) -> float:
        """Return when, on our monotonic clock, the broker stamped a message.

        Without a sample yet a message counts as stamped now.
        """
        if self._offset_s is None:
            return now_s
        return min(now_s, broker_ns / NS - self._offset_s)
