"""The route table: endpoints, their keys, splits and deployments, from the desired state.

Kept in memory and changed in place as config records change, so that a request only looks up.
Ring: decisions.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from gateway.admission import Forecast
from gateway.meters import Meters
from gateway.paths import PREFIX, SCORE, read
from mesh import subjects, wire
from mesh.records import AuthRecord, DeploymentRecord, EndpointRecord
from mesh.routing import Split

log = logging.getLogger("gateway.routes")

MIRROR: Final = "mirror"
DEPTH_VALID_S: Final = 5.0
_Record = TypeVar("_Record", bound=msgspec.Struct)
_T = TypeVar("_T")


def timing_fields(timeout_s: float) -> str:
    """Return the message header lines that carry a request's deadline."""
    return (
        f"{wire.TIMEOUT_MS}: {round(timeout_s * 1000)}\r\n"
        f"{wire.MSG_TTL}: {max(1, math.ceil(timeout_s))}s\r\n"
    )


class Target:
    """A deployment as the hot path needs it: everything that can be, ready-made."""

    __slots__ = (
        "deployment", "depth", "endpoint", "failed", "failed_until_s", "fields", "forecast",
        "has_v2_body", "is_asleep", "lane_shadow", "lane_work", "meters", "read_headers",
        "reply_prefix", "speaks_v2", "stream", "timeout_s",
    )  # fmt: skip

    def __init__(
        self, endpoint: str, deployment: str, record: DeploymentRecord, gateway: str, meters: Meters
    ) -> None:
        self.endpoint = endpoint
        self.deployment = deployment
        self.meters = meters
        self.timeout_s = record.spec.timeout_s
        self.read_headers = record.spec.mesh.read_headers
        self.speaks_v2 = record.spec.speaks_v2
        self.has_v2_body = record.spec.speaks_v2 or record.spec.takes_tensors
        self.fields = timing_fields(self.timeout_s)
        self.lane_work = subjects.work(endpoint, deployment, "interactive")
        self.lane_shadow = subjects.work(endpoint, deployment, "shadow")
        self.stream = subjects.work_stream(endpoint, deployment)
        self.reply_prefix = subjects.reply_prefix(endpoint, deployment, gateway)
        self.failed = ""
        self.failed_until_s = 0.0
        self.depth: wire.Depth | None = None
        self.is_asleep = False  # no instance is ready for its requests
        self.forecast = Forecast(deployment, record.spec.mesh.admission)

    def __repr__(self) -> str:
        return f"<Target {self.endpoint}/{self.deployment}>"


class Mirror:
    """Where copies go, and which requests are copied."""

    __slots__ = ("split", "target")

    def __init__(self, target: Target, split: Split) -> None:
        self.target = target
        self.split = split

    def is_chosen(self) -> bool:
        """Tell whether the next request is to be copied."""
        return self.split.pick() == MIRROR


class Route:
    """An endpoint: who may call it (nobody, without digests) and where its requests go."""

    __slots__ = ("digests", "endpoint", "mirror", "path", "split", "targets", "webhook_secret")

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.path = b"%b%b%b" % (PREFIX, endpoint.encode(), SCORE.encode())
        self.digests: tuple[bytes, ...] = ()
        self.webhook_secret = ""
        self.targets: dict[str, Target] = {}
        self.split: Split | None = None
        self.mirror: Mirror | None = None

    def __repr__(self) -> str:
        return f"<Route {self.endpoint} {self.split}>"


class RouteTable:
    """All routes. `apply` is given every change of the config bucket, in order."""

    def __init__(
        self,
        gateway: str,
        meters: Callable[[str, str], Meters],
        domain: str = "",
        phase: Callable[[], float] = random.random,
    ) -> None:
        """Start empty; `domain`, if any, is where each endpoint has a host of its own."""
        self._gateway = gateway
        self._domain = domain.lower().encode()
        self._meters = meters
        self._phase = phase
        self._endpoints: dict[str, EndpointRecord] = {}
        self._deployments: dict[str, dict[str, DeploymentRecord]] = {}
        self._auth: dict[str, AuthRecord] = {}
        self.by_path: dict[bytes, Route] = {}
        self.by_name: dict[str, Route] = {}
        self._by_host: dict[bytes, Route] = {}  # host names know no capitals

    def __repr__(self) -> str:
        return f"<RouteTable {len(self.by_name)} endpoints>"

    def apply(self, key: str, value: bytes | None) -> None:
        """Take a change of one config key; None means it was deleted."""
        kind, *names = key.split(".")
        if kind == "endpoint" and len(names) == 1:
            self._put(self._endpoints, names[0], _decode(key, value, EndpointRecord))
        elif kind == "deployment" and len(names) == 2:
            records = self._deployments.setdefault(names[0], {})
            self._put(records, names[1], _decode(key, value, DeploymentRecord))
        elif kind == "auth" and len(names) == 1:
            self._put(self._auth, names[0], _decode(key, value, AuthRecord))
        else:
            return
        self._rebuild(names[0])

    @staticmethod
    def _put(records: dict[str, _T], name: str, record: _T | None) -> None:
        if record is None:
            records.pop(name, None)
        else:
            records[name] = record

    def _rebuild(self, endpoint: str) -> None:
        record = self._endpoints.get(endpoint)
        old = self.by_name.get(endpoint)
        if record is None or record.deleting:
            if old is not None:
                del self.by_name[endpoint], self.by_path[old.path]
                self._by_host.pop(endpoint.lower().encode(), None)
            return
        route = Route(endpoint)
        if (auth := self._auth.get(endpoint)) is not None:
            route.digests = tuple(map(bytes.fromhex, auth.digests))
            route.webhook_secret = auth.webhook_secret
        route.targets = self._targets(endpoint, old)
        route.split = self._split(record, route.targets, old)
        route.mirror = self._mirror(record, route.targets, old)
        self.by_name[endpoint] = self.by_path[route.path] = route
        self._by_host[endpoint.lower().encode()] = route

    def _targets(self, endpoint: str, old: Route | None) -> dict[str, Target]:
        targets: dict[str, Target] = {}
        for name, record in self._deployments.get(endpoint, {}).items():
            if record.deleting:
                continue
            target = Target(endpoint, name, record, self._gateway, self._meters(endpoint, name))
            known = old.targets.get(name) if old else None
            if known is not None:
                target.failed, target.failed_until_s = known.failed, known.failed_until_s
                target.depth, target.is_asleep = known.depth, known.is_asleep
                if known.forecast.admission == target.forecast.admission:
                    target.forecast = known.forecast
            targets[name] = target
        return targets

    def _split(
        self, record: EndpointRecord, targets: dict[str, Target], old: Route | None
    ) -> Split | None:
        weights = {name: weight for name, weight in record.spec.live.items() if name in targets}
        return self._renew(old.split if old else None, weights) if weights else None

    def _mirror(
        self, record: EndpointRecord, targets: dict[str, Target], old: Route | None
    ) -> Mirror | None:
        for name, percent in record.spec.mirror.items():
            if name in targets:
                known = old.mirror.split if old and old.mirror else None
                return Mirror(
                    targets[name], self._renew(known, {MIRROR: percent, "": 100 - percent})
                )
        return None

    def _renew(self, known: Split | None, weights: dict[str, int]) -> Split:
        """A split that has not changed goes on where it is: other changes do not disturb it."""
        if known is not None and known.weights == weights:
            return known
        return Split(weights, self._phase())

    def note_depth(self, depth: wire.Depth, now_s: float) -> None:
        """Take what the scaler says: a deployment that failed with nobody ready is refused."""
        route = self.by_name.get(depth.endpoint)
        target = route.targets.get(depth.deployment) if route else None
        if target is not None:
            target.failed = depth.failed if depth.ready == 0 else ""
            target.failed_until_s = now_s + DEPTH_VALID_S
            target.depth = depth
            target.is_asleep = depth.ready == 0
            target.forecast.hear(depth, now_s)

    def search(self, url: bytes, host: bytes) -> Route | None:
        """Find the route of a URL that is not in `by_path`: v2, a query, a host of its own."""
        place = read(url)
        if not place.is_scoring:
            return None
        if place.endpoint is not None:
            return self.by_name.get(place.endpoint.decode("latin-1"))
        if not self._domain:
            return None
        name, _, rest = (host if place.host is None else place.host).lower().partition(b".")
        return self._by_host.get(name) if rest.partition(b":")[0] == self._domain else None


def _decode(key: str, value: bytes | None, kind: type[_Record]) -> _Record | None:
    """A record this version cannot read leaves its key as good as absent, loudly."""
    if value is None:
        return None
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.MsgspecError as exc:
        log.error("routes.bad_record key=%s error=%s", key, exc)
        return None
