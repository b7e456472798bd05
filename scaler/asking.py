"""Asking Prometheus for what deployments scale by, in the background. Ring: service.

No decision waits for an answer: each is made by the last value, until that is too old.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from mesh.records import DeploymentRecord
from mesh.settings import ScalerSettings
from mesh.spec.queries import QuerySettings
from mesh.tasks import end, wait_for
from scaler.prometheus import QueryError, ask, new_client
from scaler.registry import Registry
from scaler.states import Address

log = logging.getLogger("scaler.asking")

TICK_S: Final = 1.0
VALID_INTERVALS: Final = 3  # for so long a value is true, though newer ones cannot be had
LONGEST_LIMIT_S: Final = 10.0


class _Asked(NamedTuple):
    address: Address
    query: QuerySettings


class _Known:
    """What is known of a query. `error`: why there is nothing newer."""

    def __init__(self) -> None:
        self.value = 0.0
        self.read_at_s = -math.inf
        self.due_s = -math.inf
        self.error = ""
        self.failures = 0


class Queries:
    """The values of every deployment's queries."""

    def __init__(self, registry: Registry, settings: ScalerSettings) -> None:
        self._registry = registry
        self._url = settings.prometheus_url
        self._interval_s = settings.prometheus_interval_s
        self._clock = asyncio.get_running_loop().time
        self._known: dict[_Asked, _Known] = {}
        self._asking: dict[_Asked, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._client = new_client()
        registry.on_change(self._changed.set)

    def __repr__(self) -> str:
        return f"<Queries {len(self._known)}>"

    def fields(self, record: DeploymentRecord, startup_s: float) -> dict[str, Any]:
        """What an `Observation` of the deployment holds of its queries."""
        del startup_s
        return {"queries": self.values(record)}

    def values(self, record: DeploymentRecord) -> dict[str, float]:
        """The values of a deployment's queries that are not too old."""
        oldest_s = self._clock() - VALID_INTERVALS * self._interval_s
        return {
            one.query.name: known.value
            for one in asked(record)
            if (known := self._known.get(one)) is not None and known.read_at_s >= oldest_s
        }

    def failures(self, record: DeploymentRecord) -> dict[str, int]:
        """How often each of a deployment's queries had no value."""
        return {
            one.query.name: known.failures
            for one in asked(record)
            if (known := self._known.get(one)) is not None
        }

    def notes(self, record: DeploymentRecord) -> list[str]:
        """Why queries of a deployment have no newer value."""
        return [
            f"query {one.query.name}: {known.error}"
            for one in asked(record)
            if (known := self._known.get(one)) is not None and known.error
        ]

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            self._changed.clear()
            self._ask_what_is_due()
            await wait_for(self._changed, min(TICK_S, self._interval_s))

    async def close(self) -> None:
        """Ask no more."""
        await end(list(self._asking.values()))
        await self._client.aclose()

    def _ask_what_is_due(self) -> None:
        wanted = {one for stored in self._registry.deployments() for one in asked(stored.record)}
        for gone in self._known.keys() - wanted:
            del self._known[gone]
        now_s = self._clock()
        for one in wanted - self._asking.keys():
            known = self._known.setdefault(one, _Known())
            if known.due_s <= now_s:
                known.due_s = now_s + self._interval_s
                task = asyncio.create_task(self._ask(one, known))
                self._asking[one] = task
                task.add_done_callback(partial(self._forget, one))

    def _forget(self, one: _Asked, _: asyncio.Task[None]) -> None:
        del self._asking[one]

    async def _ask(self, one: _Asked, known: _Known) -> None:
        url = one.query.prometheus_url or self._url
        limit_s = min(self._interval_s, LONGEST_LIMIT_S)
        try:
            async with asyncio.timeout(limit_s):
                known.value = await ask(self._client, url, one.query.query, limit_s)
        except (QueryError, TimeoutError) as exc:
            known.failures += 1
            _note(one, known, str(exc) or f"no answer in {limit_s:g} s")
        else:
            known.read_at_s = self._clock()
            _note(one, known, "")


def asked(record: DeploymentRecord) -> Iterator[_Asked]:
    """The queries that a deployment scales by."""
    spec, scale = record.spec, record.spec.autoscale
    for query in scale.queries if scale is not None and not record.deleting else ():
        yield _Asked((spec.endpoint_name, spec.name), query)


def _note(one: _Asked, known: _Known, error: str) -> None:
    """Remember how it went; it is logged when it changes, not each time."""
    if error != known.error:
        known.error = error
        text = f"failed: {error}" if error else "has a value again"
        log.warning("asking.changed %s/%s query %s %s", *one.address, one.query.name, text)
