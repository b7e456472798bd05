"""Places that are taken before an instance starts, so that whoever takes over starts no second one.

An instance is heard of only some time after its start; until then its place is kept in the broker,
where it expires by itself. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Collection
from typing import Final

from mesh import subjects
from mesh.bus import Bus
from mesh.errors import BusError
from mesh.store import ConfigView
from mesh.subjects import LEASES_BUCKET, WorkerAddress
from scaler.fleet import Fleet
from scaler.foreign import Expected

KEPT_S: Final = 20  # longer than a start on a busy machine, and a takeover after it
SPEAKS_S: Final = 10.0  # after a takeover, which takes some seconds: by then it has spoken


class Places:
    """The places that this scaler has taken and not given back yet."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._taken: set[WorkerAddress] = set()

    def __repr__(self) -> str:
        return f"<Places taken={len(self._taken)}>"

    async def take(self, address: WorkerAddress, generation: int) -> None:
        """Take a place for an instance that is about to be started.

        Raises:
            BusError: the broker has not noted it.
        """
        headers = {"Nats-TTL": f"{KEPT_S}s"}
        answer = await self._bus.request(
            _subject(address), str(generation).encode(), headers=headers
        )
        error = json.loads(answer.data).get("error")
        if error is not None:
            raise BusError(f"no place for {address.instance}: {error.get('description')}")
        self._taken.add(address)

    async def give_back(self, own: Collection[WorkerAddress], fleet: Fleet) -> None:
        """Give back the places of instances that have spoken, or are not among `own` any more."""
        headers = {"KV-Operation": "DEL", "Nats-TTL": "1s"}
        with contextlib.suppress(BusError):  # those that are kept expire
            for address in list(self._taken):
                if address not in own or fleet.get(address) is not None:
                    await self._bus.publish(_subject(address), headers=headers)
                    self._taken.discard(address)


async def taken(bus: Bus) -> dict[WorkerAddress, Expected]:
    """Return the places that earlier leaders took last."""
    view = ConfigView(bus, LEASES_BUCKET)
    await view.start()
    await view.close()
    until_s = asyncio.get_running_loop().time() + SPEAKS_S
    return {
        address: Expected(int(value), until_s)
        for key, value in view.entries.items()
        if value.isdigit() and (address := subjects.place_owner(key)) is not None
    }


def _subject(address: WorkerAddress) -> str:
    return f"$KV.{LEASES_BUCKET}.{subjects.place_key(address)}"
