"""The recorded sample: a request that was answered well, with which later instances are warmed up.

Ring: adapter.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final, Protocol

import msgspec

from mesh import subjects, wire
from mesh.bus import Bucket, Bus
from mesh.errors import BusError, NotFoundError
from mesh.records import SampleRecord
from mesh.subjects import SAMPLES_BUCKET, WorkerAddress
from workers.answer import Reply
from workers.instance import Instance
from workers.work import Work

log = logging.getLogger("workers.sample")

LARGEST_BYTES: Final = 16 * 1024
AGAIN_S: Final = 60.0


class Answers(Protocol):
    """Whoever ends requests that have run."""

    def answer(self, work: Work, reply: Reply) -> None:
        """End one."""


class Sampler:
    """Keeps a small request of each minute that was answered well, and has it ended by `then`."""

    def __init__(self, instance: Instance, then: Answers) -> None:
        self._instance = instance
        self._then = then
        self._loop = asyncio.get_running_loop()
        self._next_s = 0.0
        self._writing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Sampler of {self._instance.stream}>"

    def answer(self, work: Work, reply: Reply) -> None:
        """End a request; keep it if it is time to."""
        self._then.answer(work, reply)
        now_s = self._loop.time()
        if now_s >= self._next_s and not reply.code and is_fit(work):
            self._next_s = now_s + AGAIN_S
            self._writing = self._loop.create_task(self._keep(work))

    async def _keep(self, work: Work) -> None:
        sample = SampleRecord(
            body=work.body,
            method=work.headers.get(wire.METHOD, ""),
            path=work.headers.get(wire.PATH, ""),
            content_type=work.headers.get(wire.CONTENT_TYPE, ""),
            at_s=time.time(),
        )
        endpoint, deployment, _ = self._instance.address
        try:
            bucket = await Bucket.open(self._instance.bus, SAMPLES_BUCKET)
            key = subjects.sample_key(endpoint, deployment)
            await bucket.put(key, msgspec.json.encode(sample))
        except BusError as exc:
            log.warning("sample.not_kept %s", exc)


def is_fit(work: Work) -> bool:
    """Tell whether a request can be asked again as it was: it is small, and has no headers."""
    is_whole = wire.BODY not in work.headers and wire.HTTP not in work.headers
    return is_whole and len(work.body) <= LARGEST_BYTES


def sampled(instance: Instance, then: Answers) -> Answers:
    """Return what keeps samples, if the deployment is warmed up with one."""
    warmup = instance.record.spec.mesh.warmup
    return Sampler(instance, then) if warmup is not None and warmup.sample else then


async def read_sample(bus: Bus, address: WorkerAddress) -> SampleRecord | None:
    """Return the sample of a deployment; None if there is none yet, or none that can be read."""
    try:
        bucket = await Bucket.open(bus, SAMPLES_BUCKET)
        entry = await bucket.get(subjects.sample_key(address.endpoint, address.deployment))
    except (BusError, NotFoundError) as exc:
        log.warning("sample.unread %s", exc)
        return None
    if entry is None or entry.value is None:
        return None
    return msgspec.json.decode(entry.value, type=SampleRecord)
