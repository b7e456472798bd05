"""What is counted per deployment: plain numbers, cheap to change. Ring: values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from mesh.tally import Histogram

MirrorOutcome = Literal["copied", "refused", "unconfirmed", "unfit"]
# Codes of errors by which requests are refused; there may be others.
REFUSALS: Final = ("capacity", "queue_full", "no_worker", "bus")


class Meters:
    """Counts of one deployment of one endpoint since the gateway's start."""

    __slots__ = (
        "accepted",
        "mirrored",
        "queued",
        "refusals",
        "refused",
        "run",
        "statuses",
        "timed_out",
        "total",
        "turned_away",
    )

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.accepted = 0
        self.refused = 0
        self.refusals = dict.fromkeys(REFUSALS, 0)  # from zero on: rate() sees the first one
        self.timed_out = 0
        self.mirrored: dict[MirrorOutcome, int] = {}
        self.total = Histogram()
        self.turned_away = Histogram()  # those of `total` that were refused
        self.queued = Histogram()
        self.run = Histogram()

    def __repr__(self) -> str:
        return f"<Meters accepted={self.accepted} refused={self.refused}>"

    @property
    def offered(self) -> dict[str, int]:
        """What the deployment was offered, by what became of it at the door."""
        return {"accepted": self.accepted, "refused": self.refused, "timed_out": self.timed_out}

    @property
    def latency(self) -> list[int]:
        """How many requests were served, or given up by who asked, by bucket of their time here."""
        return [
            total - refused
            for total, refused in zip(self.total.counts, self.turned_away.counts, strict=True)
        ]

    def count_status(self, status: int) -> None:
        """Count one request by the status its client got."""
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def count_mirrored(self, outcome: MirrorOutcome) -> None:
        """Count one copy by what became of it."""
        self.mirrored[outcome] = self.mirrored.get(outcome, 0) + 1


class MeterBook:
    """The meters of every deployment ever seen, by endpoint and deployment.

    Requests that reach no deployment are counted under an empty deployment name.
    """

    def __init__(self) -> None:
        self.meters: dict[tuple[str, str], Meters] = {}

    def __repr__(self) -> str:
        return f"<MeterBook {len(self.meters)} deployments>"

    def of(self, endpoint: str, deployment: str = "") -> Meters:
        """Return the meters of a deployment, new ones if there are none."""
        meters = self.meters.get((endpoint, deployment))
        if meters is None:
            meters = self.meters[endpoint, deployment] = Meters()
        return meters

    def offered(self) -> dict[str, dict[str, int]]:
        """Return what every deployment was offered, by `endpoint/deployment`."""
        return {name: meters.offered for name, meters in self._named()}

    def latency(self) -> dict[str, list[int]]:
        """Return how long every deployment took, by `endpoint/deployment` and bucket."""
        return {name: meters.latency for name, meters in self._named()}

    def _named(self) -> Iterator[tuple[str, Meters]]:
        for (endpoint, deployment), meters in self.meters.items():
            if deployment:
                yield f"{endpoint}/{deployment}", meters
