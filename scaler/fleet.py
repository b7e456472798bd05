"""What the workers' heartbeats tell, with their ages. Pure: time is handed in. Ring: decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from mesh.figures import ServiceTime
from mesh.instances import SERVING_STATES
from mesh.subjects import WorkerAddress
from mesh.wire import WorkerHeartbeat
from scaler.launchers import Running
from scaler.situation import Instance, Phase

FRESH_S: Final = 3.0
FORGET_S: Final = 60.0
WARM_S: Final = 3.0


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """The last heartbeat of an instance.

    `at_s` is when it came, `since_s` when its state began, `ready_at_s` when it served first;
    `saw_start` tells that it was heard before that.
    """

    said: WorkerHeartbeat
    at_s: float
    since_s: float
    ready_at_s: float | None = None
    saw_start: bool = False


class Fleet:
    """All instances that have spoken lately, those started by hand included."""

    def __init__(self) -> None:
        self._beats: dict[WorkerAddress, Beat] = {}
        self._gone_s: dict[WorkerAddress, float] = {}
        self._connected_at_s = 0.0
        self._startup_s: dict[tuple[str, str], float] = {}

    def __repr__(self) -> str:
        return f"<Fleet instances={len(self._beats)}>"

    def hear(self, said: WorkerHeartbeat, now_s: float) -> bool:
        """Note a heartbeat; tell whether the instance is new or in another state."""
        address = WorkerAddress(said.endpoint, said.deployment, said.instance)
        if address in self._gone_s:
            return False  # its last words came after its end
        last = self._beats.get(address)
        same = last is not None and last.said.state == said.state
        ready_at_s = last.ready_at_s if last is not None else None
        if said.state in SERVING_STATES and ready_at_s is None:
            ready_at_s = now_s
        self._beats[address] = Beat(
            said=said,
            at_s=now_s,
            since_s=last.since_s if last is not None and same else now_s,
            ready_at_s=ready_at_s,
            saw_start=said.state == "starting" or (last is not None and last.saw_start),
        )
        return not same

    def note_connected(self, now_s: float) -> None:
        """Count silence from now on: while we were away nobody could be heard."""
        self._connected_at_s = now_s

    def get(self, address: WorkerAddress) -> Beat | None:
        """The last heartbeat of an instance."""
        return self._beats.get(address)

    def heard(self, now_s: float) -> Iterator[tuple[WorkerAddress, Beat, float]]:
        """Every instance with its last heartbeat, and for how long it has been silent since."""
        for address, beat in self._beats.items():
            yield address, beat, now_s - self._heard_s(beat)

    def forget(self, address: WorkerAddress, now_s: float) -> None:
        """Drop an instance that has ended, whatever is still heard of it."""
        self._beats.pop(address, None)
        self._gone_s[address] = now_s

    def expire(self, now_s: float) -> None:
        """Drop who has been silent for a minute."""
        for address, beat in list(self._beats.items()):
            if now_s - self._heard_s(beat) > FORGET_S:
                del self._beats[address]
        self._gone_s = {one: at_s for one, at_s in self._gone_s.items() if now_s - at_s < FORGET_S}

    def fresh(self, endpoint: str, deployment: str, now_s: float) -> list[WorkerHeartbeat]:
        """The instances of a deployment that spoke within 3 s."""
        return [
            said
            for said in self.live(now_s)
            if (said.endpoint, said.deployment) == (endpoint, deployment)
        ]

    def ready(self, endpoint: str, deployment: str, now_s: float) -> list[WorkerHeartbeat]:
        """Those of them that take requests."""
        return [
            said for said in self.fresh(endpoint, deployment, now_s) if said.state in SERVING_STATES
        ]

    def live(self, now_s: float) -> list[WorkerHeartbeat]:
        """Every instance that spoke within 3 s."""
        return [
            beat.said for beat in self._beats.values() if now_s - self._heard_s(beat) <= FRESH_S
        ]

    def cpu_percent(self, endpoint: str, deployment: str, now_s: float) -> float | None:
        """The mean CPU of a deployment's instances, of one core; None if nobody has told.

        An instance's first figures are of its start, not of its work.
        """
        figures = [
            beat.said.cpu_percent
            for address, beat in self._beats.items()
            if address[:2] == (endpoint, deployment)
            and beat.said.state == "ready"
            and beat.ready_at_s is not None
            and now_s - beat.ready_at_s > WARM_S
            and now_s - self._heard_s(beat) <= FRESH_S
        ]
        return sum(figures) / len(figures) if figures else None

    def startup_s(self, endpoint: str, deployment: str) -> float:
        """How long the last instance that became ready took for it, 0 if none was seen to."""
        return self._startup_s.get((endpoint, deployment), 0.0)

    def instance(self, running: Running, now_s: float) -> Instance:
        """Put together what the launcher and the heartbeat tell of an instance."""
        beat = self._beats.get(running.address)
        if beat is not None and beat.saw_start and beat.ready_at_s is not None:
            self._startup_s[running.address[:2]] = beat.ready_at_s - running.started_s
        phase, since_s = self._phase(running, beat, now_s)
        return Instance(
            instance=running.address.instance,
            generation=running.generation,
            phase=phase,
            in_flight=max(beat.said.in_flight, beat.said.held) if beat is not None else 0,
            for_s=max(0.0, now_s - since_s),
            reason=beat.said.reason if beat is not None else "",
        )

    def _heard_s(self, beat: Beat) -> float:
        return max(beat.at_s, self._connected_at_s)

    def _phase(self, running: Running, beat: Beat | None, now_s: float) -> tuple[Phase, float]:
        if running.draining_since_s is not None:
            return "draining", running.draining_since_s
        if beat is None:
            since_s = max(running.started_s, self._connected_at_s)
            return ("starting" if now_s - since_s <= FRESH_S else "silent"), since_s
        if now_s - self._heard_s(beat) > FRESH_S:
            return "silent", self._heard_s(beat)
        return beat.said.state, beat.since_s


def combined(beats: Iterable[WorkerHeartbeat]) -> ServiceTime:
    """One service time of many instances: the mean weighted by answers, the highest peak."""
    times = [beat.service for beat in beats if beat.service.answered]
    answered = sum(time.answered for time in times)
    if not answered:
        return ServiceTime()
    return ServiceTime(
        mean_s=sum(time.mean_s * time.answered for time in times) / answered,
        slot_s=sum(time.slot_s * time.answered for time in times) / answered,
        peak_s=max(time.peak_s for time in times),
        answered=answered,
    )
