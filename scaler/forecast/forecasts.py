"""What is expected of the deployments that have a predictive floor. Ring: service.

Each is fitted anew every hour, one after another, in a process of its own; until the next one the
last forecast holds, for a day at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from mesh import history, loads, subjects
from mesh.bus import Bus
from mesh.errors import BusError
from mesh.loads import LoadPoint
from mesh.records import DeploymentRecord
from mesh.spec.forecast import ForecastSettings
from mesh.tasks import wait_for
from scaler.forecast.fitting import FitError, fit
from scaler.forecast.outlook import Outlook
from scaler.forecast.task import Wish
from scaler.registry import Registry
from scaler.states import Address

log = logging.getLogger("scaler.forecast")

REFIT_S: Final = 3600.0
RETRY_S: Final = 300.0
TICK_S: Final = 5.0

Fit = Callable[[Sequence[LoadPoint], Wish], Awaitable[Outlook]]


class _Known:
    """The forecast of a deployment by these settings. `error`: why there is none that is newer."""

    def __init__(self, settings: ForecastSettings) -> None:
        self.settings = settings
        self.outlook: Outlook | None = None
        self.due_s = -math.inf
        self.error = ""


class Forecasts:
    """The forecasts of all deployments that have one."""

    def __init__(self, bus: Bus, registry: Registry, compute: Fit = fit) -> None:
        self._bus = bus
        self._registry = registry
        self._fit = compute
        self._clock = asyncio.get_running_loop().time
        self._known: dict[Address, _Known] = {}
        self._changed = asyncio.Event()
        registry.on_change(self._changed.set)

    def __repr__(self) -> str:
        return f"<Forecasts {len(self._known)}>"

    def fields(self, record: DeploymentRecord, startup_s: float) -> dict[str, Any]:
        """What an `Observation` holds of the forecast: the highest rate until a start is done."""
        known = self._known_of(record)
        if known is None or known.outlook is None:
            return {}
        now_s = time.time()
        until_s = now_s + startup_s + known.settings.look_ahead_s
        return {"forecast_per_s": known.outlook.rate(now_s, until_s)}

    def service_s(self, record: DeploymentRecord) -> float | None:
        """How long a request took by what is kept of it; None if nobody told."""
        known = self._known_of(record)
        return known.outlook.service_s if known is not None and known.outlook is not None else None

    def notes(self, record: DeploymentRecord) -> list[str]:
        """Why nothing is expected of a deployment."""
        if _settings(record) is None:
            return []
        known = self._known_of(record)
        if known is None or (known.outlook is None and not known.error):
            return ["forecast: it is being computed"]
        reason = known.error or (known.outlook.reason if known.outlook is not None else "")
        return [f"forecast: {reason}"] if reason else []

    async def run(self) -> None:
        """Fit for ever."""
        while True:
            self._changed.clear()
            for record in list(self._wanted()):
                await self._fit_if_due(record)
            await wait_for(self._changed, TICK_S)

    def _wanted(self) -> Iterator[DeploymentRecord]:
        records = [stored.record for stored in self._registry.deployments()]
        wanted = {_address(record) for record in records if _settings(record) is not None}
        for gone in self._known.keys() - wanted:
            del self._known[gone]
        yield from (record for record in records if _address(record) in wanted)

    async def _fit_if_due(self, record: DeploymentRecord) -> None:
        settings, address = _settings(record), _address(record)
        if settings is None:
            return
        known = self._known.get(address)
        if known is None or known.settings != settings:
            known = self._known[address] = _Known(settings)
        if self._clock() < known.due_s:
            return
        wish = Wish(now_s=time.time(), min_days=settings.min_days, percentile=settings.percentile)
        try:
            known.outlook = await self._fit(await self._points(address), wish)
        except (BusError, FitError) as exc:
            known.error = str(exc)
            known.due_s = self._clock() + RETRY_S
            log.warning("forecast.failed %s/%s %s", *address, exc)
        else:
            known.error = ""
            known.due_s = self._clock() + REFIT_S
            told = known.outlook.reason or f"from {known.outlook.days:.1f} days"
            log.info("forecast.fitted %s/%s %s", *address, told)

    async def _points(self, address: Address) -> list[LoadPoint]:
        points = []
        past = history.read(self._bus, subjects.LOAD_STREAM, subjects.load(*address))
        async with contextlib.aclosing(past):
            async for one in past:
                point = loads.decode(one.data)
                if point is not None:
                    points.append(point)
        return points

    def _known_of(self, record: DeploymentRecord) -> _Known | None:
        known = self._known.get(_address(record))
        return known if known is not None and known.settings == _settings(record) else None


def _settings(record: DeploymentRecord) -> ForecastSettings | None:
    scale = record.spec.autoscale
    return scale.forecast if scale is not None and not record.deleting else None


def _address(record: DeploymentRecord) -> Address:
    return record.spec.endpoint_name, record.spec.name
