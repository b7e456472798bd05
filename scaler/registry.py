"""The desired state in memory, decoded, with writes that it has seen when they return.

A write is compare-and-set; reading after it shows it, so no verb answers from the past.
Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, Self, TypeVar
from weakref import WeakValueDictionary

import msgspec

from mesh import subjects
from mesh.bus import Bucket, Bus
from mesh.errors import BusTimeoutError, ConflictError, NotFoundError
from mesh.records import DeploymentRecord, EndpointRecord
from mesh.store import ConfigView

log = logging.getLogger("scaler.registry")

APPLY_TIMEOUT_S: Final = 5.0
RECORDS: Final[dict[str, type[msgspec.Struct]]] = {
    "endpoint": EndpointRecord,
    "deployment": DeploymentRecord,
}

Record = TypeVar("Record", bound=msgspec.Struct)
encode = msgspec.json.Encoder().encode


class Stored(NamedTuple, Generic[Record]):
    """A record and the revision it was written at."""

    record: Record
    revision: int


class Registry:
    """Endpoints and deployments as they should be."""

    def __init__(self, bus: Bus) -> None:
        self._view = ConfigView(bus, subjects.CONFIG_BUCKET)
        self._bucket: Bucket
        self._bus = bus
        self._decoded: dict[str, msgspec.Struct] = {}
        self._waiting: set[tuple[Callable[[], bool], asyncio.Future[None]]] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __repr__(self) -> str:
        return f"<Registry records={len(self._decoded)} revision={self.revision}>"

    @classmethod
    async def open(cls, bus: Bus) -> Self:
        """List the config bucket and keep it current."""
        registry = cls(bus)
        registry._bucket = await Bucket.open(bus, subjects.CONFIG_BUCKET)
        registry._view.on_change(registry._note_change)
        registry._view.on_applied(registry._note_applied)
        await registry._view.start()
        return registry

    async def close(self) -> None:
        """Stop listening."""
        await self._view.close()

    @property
    def revision(self) -> int:
        """The newest revision in memory."""
        return self._view.revision

    def lock(self, endpoint: str) -> asyncio.Lock:
        """The lock under which an endpoint and its deployments are checked and then changed."""
        return self._locks.setdefault(endpoint, asyncio.Lock())

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each change."""
        self._view.on_applied(lambda _: callback())

    def endpoints(self) -> list[Stored[EndpointRecord]]:
        """All endpoints, by name."""
        return self._all("endpoint.", EndpointRecord)

    def endpoint(self, name: str) -> Stored[EndpointRecord] | None:
        """One endpoint, None if there is none."""
        return self._one(subjects.endpoint_key(name), EndpointRecord)

    def deployments(self, endpoint: str | None = None) -> list[Stored[DeploymentRecord]]:
        """The deployments of an endpoint, or of all, by name."""
        prefix = f"deployment.{endpoint}." if endpoint is not None else "deployment."
        return self._all(prefix, DeploymentRecord)

    def deployment(self, endpoint: str, name: str) -> Stored[DeploymentRecord] | None:
        """One deployment, None if there is none."""
        return self._one(subjects.deployment_key(endpoint, name), DeploymentRecord)

    def generations(self, endpoint: str, name: str) -> frozenset[int]:
        """The generations of a deployment whose records are kept."""
        prefix = f"generation.{endpoint}.{name}."
        return frozenset(
            int(key.removeprefix(prefix)) for key in self._view.entries if key.startswith(prefix)
        )

    def generation(self, endpoint: str, name: str, generation: int) -> DeploymentRecord | None:
        """The record of one generation, None if it is not kept or cannot be read."""
        value = self._view.entries.get(subjects.generation_key(endpoint, name, generation))
        try:
            return msgspec.json.decode(value or b"", type=DeploymentRecord)
        except msgspec.MsgspecError:
            return None

    def keys(self, prefix: str) -> list[str]:
        """Every key that starts with `prefix`, of unreadable records too."""
        return [key for key in self._view.entries if key.startswith(prefix)]

    def has(self, key: str) -> bool:
        """Tell whether there is such a key, readable or not."""
        return key in self._view.entries

    async def write(self, key: str, record: msgspec.Struct, revision: int | None = None) -> int:
        """Write a record over `revision`, or a new one; return when it is in memory.

        Raises:
            ConflictError: somebody else wrote it since, or it exists.
        """
        value = encode(record)
        if revision is None:
            written = await self._bucket.create(key, value)
        else:
            written = await self._bucket.update(key, value, revision)
        await self._until(lambda: self.revision >= written)
        return written

    async def put(self, key: str, record: msgspec.Struct) -> int:
        """Write a record whatever is there; return when it is in memory."""
        written = await self._bucket.put(key, encode(record))
        await self._until(lambda: self.revision >= written)
        return written

    async def delete(self, *keys: str) -> None:
        """Delete keys; return when they are gone from memory."""
        for key in keys:
            await self._bucket.delete(key)
        await self._until(lambda: not any(key in self._view.entries for key in keys))

    def _one(self, key: str, kind: type[Record]) -> Stored[Record] | None:
        record = self._decoded.get(key)
        if not isinstance(record, kind):
            return None
        return Stored(record, self._view.revisions[key])

    def _all(self, prefix: str, kind: type[Record]) -> list[Stored[Record]]:
        keys = sorted(key for key in self._decoded if key.startswith(prefix))
        found = (self._one(key, kind) for key in keys)
        return [stored for stored in found if stored is not None]

    async def _until(self, holds: Callable[[], bool]) -> None:
        if holds():
            return
        waiting = holds, asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            async with asyncio.timeout(APPLY_TIMEOUT_S):
                await waiting[1]
        except TimeoutError as exc:
            raise BusTimeoutError("written, but the broker did not tell the change back") from exc
        finally:
            self._waiting.discard(waiting)

    def _note_change(self, key: str, value: bytes | None) -> None:
        kind = RECORDS.get(key.split(".", 1)[0])
        if kind is None:
            return
        self._decoded.pop(key, None)
        if value is None:
            return
        try:
            self._decoded[key] = msgspec.json.decode(value, type=kind)
        except msgspec.MsgspecError as exc:
            log.error("registry.unreadable key=%s %s", key, exc)

    def _note_applied(self, _: int) -> None:
        for holds, future in list(self._waiting):
            if holds() and not future.done():
                future.set_result(None)


def existing_endpoint(registry: Registry, name: str) -> Stored[EndpointRecord]:
    """Return an endpoint.

    Raises:
        NotFoundError: there is none.
    """
    stored = registry.endpoint(name)
    if stored is None:
        raise NotFoundError(f"there is no endpoint '{name}'")
    return stored


def existing_deployment(registry: Registry, endpoint: str, name: str) -> Stored[DeploymentRecord]:
    """Return a deployment.

    Raises:
        NotFoundError: there is none, or no such endpoint.
    """
    stored = registry.deployment(endpoint, name)
    if stored is None:
        existing_endpoint(registry, endpoint)
        raise NotFoundError(f"endpoint '{endpoint}' has no deployment '{name}'")
    return stored


def require_endpoint(registry: Registry, name: str) -> Stored[EndpointRecord]:
    """Return an endpoint that can be changed.

    Raises:
        NotFoundError: there is none.
        ConflictError: it is being deleted.
    """
    stored = existing_endpoint(registry, name)
    if stored.record.deleting:
        raise ConflictError(f"endpoint '{name}' is being deleted")
    return stored


def require_deployment(registry: Registry, endpoint: str, name: str) -> Stored[DeploymentRecord]:
    """Return a deployment that can be changed.

    Raises:
        NotFoundError: there is none, or no such endpoint.
        ConflictError: it is being deleted.
    """
    stored = existing_deployment(registry, endpoint, name)
    if stored.record.deleting:
        raise ConflictError(f"deployment '{name}' of endpoint '{endpoint}' is being deleted")
    return stored


def require_revision(stored: Stored[Record], seen: int | None, what: str) -> None:
    """Refuse a change that was made from an older record than the present one.

    Raises:
        ConflictError: it was changed since `seen`.
    """
    if seen is not None and seen != stored.revision:
        raise ConflictError(
            f"{what} was changed meanwhile: you saw revision {seen}, it is {stored.revision} now"
        )
