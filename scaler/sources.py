"""What decisions are made by beside queues and heartbeats: queries of Prometheus and forecasts.

Ring: service.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import Final

from mesh.errors import SpecError
from mesh.settings import ScalerSettings
from mesh.spec.query_rules import URL_RULE, is_prometheus_url
from mesh.spec.scale import ScaleSettings
from scaler.asking import Queries
from scaler.forecast.forecasts import Forecasts
from scaler.forecast.recorder import Recorder
from scaler.keeper import Parts

EXTRA: Final = "statsmodels"


class Sources:
    """Runs them, and hands what they know to whoever decides."""

    def __init__(self, parts: Parts, settings: ScalerSettings) -> None:
        self._settings = settings
        self.queries = Queries(parts.registry, settings)
        self.recorder = Recorder(parts.bus, parts.registry, parts.observer)
        self.forecasts = Forecasts(parts.bus, parts.registry)
        parts.scaling.add_source(self.queries)
        parts.scaling.add_source(self.forecasts)
        parts.scaling.remembered_s = self.forecasts.service_s
        parts.refuse_scaling = self.refuse
        parts.query_failures = self.queries.failures

    def __repr__(self) -> str:
        return f"<Sources {self.queries!r}>"

    async def run(self) -> None:
        """Ask, record and fit for ever."""
        async with asyncio.TaskGroup() as group:
            for part in (self.queries, self.recorder, self.forecasts):
                group.create_task(part.run())

    async def close(self) -> None:
        """Ask no more, and store what was recorded."""
        await self.queries.close()
        await self.recorder.close()

    def refuse(self, scale: ScaleSettings | None) -> None:
        """Refuse settings that this scaler could not act on.

        Raises:
            SpecError: there is no Prometheus to ask, or the forecasts' library is missing.
        """
        if scale is None:
            return
        url = self._settings.prometheus_url
        for index, query in enumerate(scale.queries):
            if query.prometheus_url is None and not is_prometheus_url(url):
                raise SpecError(
                    f"scale_settings.queries[{index}]: no Prometheus to ask: give it a "
                    f"prometheus_url, or set scaler.prometheus_url: {url!r}: {URL_RULE}"
                )
        if scale.forecast is not None and find_spec(EXTRA) is None:
            raise SpecError(
                f"scale_settings.forecast: {EXTRA} is not installed where the scaler runs: "
                "pip install 'serving-mesh[forecast]'"
            )
