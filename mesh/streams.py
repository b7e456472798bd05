"""Creating, changing and reading streams and consumers, idempotently.

What they look like is decided in `mesh.topology`. Ring: adapter.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from mesh import subjects, topology
from mesh.bus import API_TIMEOUT_S, ApiError, Bus, Message
from mesh.bus.inlet import parse_headers
from mesh.clock import parse_broker_time
from mesh.errors import BusError
from mesh.spec.options import QueueOptions
from mesh.subjects import LANES

NAME_IN_USE: Final = 10058
STORE_FAILED: Final = 10077
NO_STORAGE: Final = 10047
STREAM_NOT_FOUND: Final = 10059
CONSUMER_NOT_FOUND: Final = 10014
MESSAGE_NOT_FOUND: Final = frozenset({10037, 10043, 10057})
WRONG_LAST_SEQUENCE: Final = frozenset({10071, 10164})


async def ensure_stream(bus: Bus, config: Mapping[str, Any]) -> None:
    """Create the stream, or bring the one of that name to this configuration.

    A broker with no room for another stream says so before it looks whether this one is there.
    """
    name = config["name"]
    try:
        await bus.api(f"STREAM.CREATE.{name}", config)
    except ApiError as exc:
        if exc.err_code not in (NAME_IN_USE, NO_STORAGE):
            raise
        try:
            await bus.api(f"STREAM.UPDATE.{name}", config)
        except ApiError as other:
            if other.err_code == STREAM_NOT_FOUND:
                raise exc from None
            raise


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


class KeptMessage(NamedTuple):
    """A message as it lies in a stream; `at_s` is the broker's Unix time of it."""

    seq: int
    at_s: float
    headers: dict[str, str]
    body: bytes


async def next_message(bus: Bus, stream: str, subject: str, seq: int) -> KeptMessage | None:
    """Return the first message on a subject from number `seq` on, None if there is none."""
    try:
        answer = await bus.api(f"STREAM.MSG.GET.{stream}", {"seq": seq, "next_by_subj": subject})
    except ApiError as exc:
        if exc.err_code in {*MESSAGE_NOT_FOUND, STREAM_NOT_FOUND}:
            return None
        raise
    found = answer["message"]
    headers = parse_headers(b64decode(found["hdrs"])) if found.get("hdrs") else {}
    at_s = parse_broker_time(found["time"])
    return KeptMessage(found["seq"], at_s, headers, b64decode(found.get("data", "")))


async def read_message(bus: Bus, stream: str, seq: int) -> Message | None:
    """Return the message of that number, as it is and whatever its size; None if it is gone."""
    body = json.dumps({"seq": seq}).encode()
    return _direct(stream, await bus.request(f"$JS.API.DIRECT.GET.{stream}", body))


async def purge(bus: Bus, stream: str, subject: str, up_to: int) -> int:
    """Remove the messages on a subject up to that number; return how many they were."""
    asked = {"filter": subject, "seq": up_to + 1}
    return int((await bus.api(f"STREAM.PURGE.{stream}", asked))["purged"])


async def forget(bus: Bus, stream: str, subject: str) -> None:
    """Remove all messages on a subject."""
    await bus.api(f"STREAM.PURGE.{stream}", {"filter": subject})


async def counts(bus: Bus, stream: str, subject: str) -> tuple[dict[str, int], int]:
    """Return how many messages each subject has that matches, and the stream's last number."""
    state = (await bus.api(f"STREAM.INFO.{stream}", {"subjects_filter": subject}))["state"]
    return state.get("subjects") or {}, int(state["last_seq"])


async def store(
    bus: Bus,
    subject: str,
    body: bytes,
    headers: dict[str, str] | None = None,
    timeout_s: float = API_TIMEOUT_S,
) -> dict[str, Any]:
    """Publish into the stream that keeps `subject`; return its acknowledgement.

    Raises:
        ApiError: the stream refused the message; `err_code` says why.
        BusError: no stream keeps that subject, or the broker is away.
    """
    told = await bus.request(subject, body, headers=headers, timeout_s=timeout_s)
    return read_ack(subject, told.data)


def read_ack(subject: str, data: bytes) -> dict[str, Any]:
    """Read a stream's acknowledgement of what was published on `subject`.

    Raises:
        ApiError: the stream refused the message; `err_code` says why.
    """
    ack: dict[str, Any] = json.loads(data)
    if error := ack.get("error"):
        raise ApiError(
            f"{subject}: {error.get('description', 'refused')}",
            err_code=int(error.get("err_code", 0)),
            status=int(error.get("code", 0)),
        )
    return ack


def is_full(err_code: int | None, description: str) -> bool:
    """Tell whether a refusal is about a stream's limits: a disk that is full has the same code."""
    return err_code == STORE_FAILED and "maximum " in description


async def last_message(bus: Bus, stream: str, subject: str) -> Message | None:
    """Return the last message on a subject of the stream, None if there is none."""
    return _direct(stream, await bus.request(f"$JS.API.DIRECT.GET.{stream}.{subject}"))


def _direct(stream: str, message: Message) -> Message | None:
    status = (message.headers or {}).get("Status", "")
    if status == "404":
        return None
    if status:
        raise BusError(f"{stream}: {(message.headers or {}).get('Description', status)}")
    return message


async def ensure_queue(
    bus: Bus, endpoint: str, deployment: str, queue: QueueOptions, timeout_s: float
) -> None:
    """Create or update a deployment's work queue: its stream and one consumer per lane."""
    await ensure_stream(bus, topology.work_stream(endpoint, deployment, queue))
    name = subjects.work_stream(endpoint, deployment)
    for lane in LANES:
        config = topology.work_consumer(endpoint, deployment, lane, timeout_s=timeout_s)
        await ensure_consumer(bus, name, config)


async def ensure_topology(bus: Bus, result_ttl_s: float = topology.RESULT_TTL_S) -> None:
    """Create whatever exists once per mesh: buckets, object store, shared streams."""
    buckets, shared = topology.buckets(result_ttl_s), topology.shared_streams(result_ttl_s)
    for config in (*buckets, topology.artifacts(), *shared):
        await ensure_stream(bus, config)
    for stream, subject, ack_wait_s in (
        (subjects.INGRESS_STREAM, subjects.ENQUEUES, topology.INGRESS_ACK_WAIT_S),
        (subjects.WEBHOOKS_STREAM, subjects.WEBHOOKS, topology.WEBHOOK_ACK_WAIT_S),
    ):
        await ensure_consumer(bus, stream, topology.gateways_consumer(subject, ack_wait_s))
