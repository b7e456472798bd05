"""The third witness: what the broker holds once the load is over."""

import time
from typing import Any

import msgspec

from mesh import streams, subjects, wire
from mesh.bus import Bus
from mesh.subjects import LANES
from tests.chaos.oracle import Broker

SETTLE_S = 20.0


async def settled(bus: Bus, endpoint: str = "echo", deployment: str = "blue") -> Broker:
    """Wait until nothing is left to be done, or for 20 s; the broker's answers are the clock."""
    until_s = time.monotonic() + SETTLE_S
    seen = await look(bus, endpoint, deployment)
    while (seen.left or seen.pending) and time.monotonic() < until_s:
        seen = await look(bus, endpoint, deployment)
    results, overwritten = await results_of(bus, endpoint)
    dead = await dead_of(bus)
    return msgspec.structs.replace(seen, results=results, overwritten=overwritten, dead=dead)


async def look(bus: Bus, endpoint: str, deployment: str) -> Broker:
    """Count what waits, what is handed out, and how often that was done."""
    work = subjects.work_stream(endpoint, deployment)
    lanes = [await _consumer(bus, work, lane) for lane in LANES]
    ingress = await _consumer(bus, subjects.INGRESS_STREAM, subjects.GATEWAYS_CONSUMER)
    state, waiting = await _state(bus, work), await _state(bus, subjects.INGRESS_STREAM)
    stale = [await _stale(bus, work, one) for one in lanes]
    stale.append(await _stale(bus, subjects.INGRESS_STREAM, ingress))
    return Broker(
        left=state["messages"] + waiting["messages"] - sum(stale),
        stale=sum(stale),
        pending=sum(one["num_ack_pending"] for one in (*lanes, ingress)),
        deliveries=sum(one["delivered"]["consumer_seq"] for one in lanes),
        queued=state["last_seq"],
    )


async def _stale(bus: Bus, stream: str, consumer: dict[str, Any]) -> int:
    """How many messages are still there though all up to them were acknowledged."""
    subject = consumer.get("config", {}).get("filter_subject")
    if not subject or consumer["num_pending"] or consumer["num_ack_pending"]:
        return 0
    info = await bus.api(f"STREAM.INFO.{stream}", {"subjects_filter": subject})
    count = sum((info["state"].get("subjects") or {}).values())
    if not count:
        return 0
    last = await bus.api(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject})
    return count if last["message"]["seq"] <= consumer["ack_floor"]["stream_seq"] else 0


async def results_of(bus: Bus, endpoint: str) -> tuple[frozenset[str], int]:
    """The ids that have a result, and how many results were replaced by another one."""
    asked = {"subjects_filter": subjects.result(endpoint, ">")}
    answer = await bus.api(f"STREAM.INFO.{subjects.RESULTS_STREAM}", asked)
    state = answer["state"]
    ids = frozenset(name.rpartition(".")[2] for name in state.get("subjects", {}))
    return ids, state["last_seq"] - state["messages"]


async def dead_of(bus: Bus) -> list[str]:
    """The ids in `DEAD`, in the order they came there."""
    found, seq = [], 1
    while message := await streams.next_message(bus, subjects.DEAD_STREAM, subjects.DEAD, seq):
        letter = wire.decode(message.body, wire.DeadLetter)
        found.append(msgspec.json.decode(letter.body)["id"])
        seq = message.seq + 1
    return found


async def _state(bus: Bus, stream: str) -> dict[str, Any]:
    info = await streams.stream_info(bus, stream)
    return info["state"] if info else {"messages": -1, "last_seq": 0}


async def _consumer(bus: Bus, stream: str, name: str) -> dict[str, Any]:
    info = await streams.consumer_info(bus, stream, name)
    return info or {"num_ack_pending": -1, "delivered": {"consumer_seq": 0}}
