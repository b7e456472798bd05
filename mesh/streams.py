"""Creating, changing and reading streams and consumers, idempotently.

What they look like is decided in `mesh.topology`. Ring: adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mesh import subjects, topology
from mesh.bus import API_TIMEOUT_S, ApiError, Bus
from mesh.spec.options import QueueOptions
from mesh.subjects import LANES

NAME_IN_USE: Final = 10058
STREAM_NOT_FOUND: Final = 10059
CONSUMER_NOT_FOUND: Final = 10014
MESSAGE_NOT_FOUND: Final = frozenset({10037, 10043, 10057})


async def ensure_stream(bus: Bus, config: Mapping[str, Any]) -> None:
    """Create the stream, or bring the one of that name to this configuration."""
    name = config["name"]
    try:
        await bus.api(f"STREAM.CREATE.{name}", config)
    except ApiError as exc:
        if exc.err_code != NAME_IN_USE:
            raise
        await bus.api(f"STREAM.UPDATE.{name}", config)


async def delete_stream(bus: Bus, name: str) -> None:
    """Delete the stream and all it holds; harmless if there is none."""
    try:
        await bus.api(f"STREAM.DELETE.{name}")
    except ApiError as exc:
        if exc.err_code != STREAM_NOT_FOUND:
            raise


async def stream_info(bus: Bus, name: str) -> dict[str, Any] | None:
    """Return the broker's account of the stream, None if there is none."""
    try:
        return await bus.api(f"STREAM.INFO.{name}")
    except ApiError as exc:
        if exc.err_code == STREAM_NOT_FOUND:
            return None
        raise


async def ensure_consumer(bus: Bus, stream: str, config: Mapping[str, Any]) -> None:
    """Create the durable consumer or update it; running pulls go on."""
    payload = {"stream_name": stream, "config": config}
    await bus.api(f"CONSUMER.CREATE.{stream}.{config['name']}.{config['filter_subject']}", payload)


async def consumer_info(
    bus: Bus, stream: str, consumer: str, timeout_s: float = API_TIMEOUT_S
) -> dict[str, Any] | None:
    """Return the broker's account of the consumer, None if it or its stream is gone."""
    try:
        return await bus.api(f"CONSUMER.INFO.{stream}.{consumer}", timeout_s=timeout_s)
    except ApiError as exc:
        if exc.err_code in (STREAM_NOT_FOUND, CONSUMER_NOT_FOUND):
            return None
        raise


async def delete_message(bus: Bus, stream: str, seq: int) -> bool:
    """Remove one message; False if it is gone already."""
    try:
        await bus.api(f"STREAM.MSG.DELETE.{stream}", {"seq": seq, "no_erase": True})
    except ApiError as exc:
        if exc.err_code in MESSAGE_NOT_FOUND:
            return False
        raise
    return True


async def has_message(bus: Bus, stream: str, seq: int) -> bool:
    """Tell whether a message is still in its stream, delivered or not."""
    try:
        await bus.api(f"STREAM.MSG.GET.{stream}", {"seq": seq})
    except ApiError as exc:
        if exc.err_code in MESSAGE_NOT_FOUND:
            return False
        raise
    return True


async def ensure_queue(
    bus: Bus, endpoint: str, deployment: str, queue: QueueOptions, timeout_s: float
) -> None:
    """Create or update a deployment's work queue: its stream and one consumer per lane."""
    await ensure_stream(bus, topology.work_stream(endpoint, deployment, queue))
    name = subjects.work_stream(endpoint, deployment)
    for lane in LANES:
        config = topology.work_consumer(endpoint, deployment, lane, timeout_s=timeout_s)
        await ensure_consumer(bus, name, config)


async def ensure_topology(bus: Bus) -> None:
    """Create whatever exists once per mesh: buckets, object store, shared streams."""
    for config in (*topology.buckets(), topology.artifacts(), *topology.shared_streams()):
        await ensure_stream(bus, config)
