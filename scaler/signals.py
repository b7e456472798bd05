"""What instances and gateways tell of a deployment's load, beside its queue. Ring: decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mesh import expected
from mesh.wire import Depth, WorkerHeartbeat
from scaler.answered import answered
from scaler.fleet import combined
from scaler.offered import Growth


def heard_signals(
    fresh: Sequence[WorkerHeartbeat], grown: Iterable[Growth], name: str
) -> dict[str, Any]:
    """Return fields of an `Observation` by what instances say of themselves, and gateways.

    Args:
        fresh: the instances of the deployment that live.
        grown: what gateways have counted lately.
        name: `endpoint/deployment`.
    """
    ready = [beat for beat in fresh if beat.state == "ready"]
    gpus = [beat.gpu for beat in ready if beat.gpu is not None]
    lately = answered(grown, name)
    return {
        "in_flight": sum(beat.in_flight for beat in fresh) if fresh else None,
        "memory_percent": mean(
            100 * beat.memory_bytes / beat.memory_limit_bytes
            for beat in ready
            if beat.memory_limit_bytes
        ),
        "gpu_percent": mean(gpu.percent for gpu in gpus if gpu.percent is not None),
        "gpu_memory_percent": mean(
            100 * gpu.memory_bytes / gpu.memory_total_bytes
            for gpu in gpus
            if gpu.memory_total_bytes
        ),
        "requests_per_s": lately.per_s if lately is not None else None,
        "latency_s": lately.latency_s if lately is not None else {},
        "latency_mean_s": lately.mean_s if lately is not None else None,
    }


def expected_wait_s(
    lanes: dict[str, int], ready: Sequence[WorkerHeartbeat], startup_s: float
) -> float | None:
    """Return how long the next interactive request would wait, None if that is not known."""
    depth = Depth(
        endpoint="",
        deployment="",
        lanes=lanes,
        ready=len(ready),
        slots=sum(beat.slots for beat in ready),
        service=combined(ready),
        startup_s=startup_s,
    )
    return expected.wait_s(depth, lanes.get("interactive", 0))


def mean(figures: Iterable[float]) -> float | None:
    """Return the mean, None of nothing."""
    found = list(figures)
    return sum(found) / len(found) if found else None
