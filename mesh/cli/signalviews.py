"""How what deployments scale by looks to people. Ring: values."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.scaling.observation import Observation


def signals_text(seen: Observation | None) -> str:
    """What is known of a load, on one line; what is not known is left out."""
    return ", ".join(_signals(seen)) if seen is not None else ""


def _signals(seen: Observation) -> Iterator[str]:
    for value, unit in (
        (seen.depth, "queued or running"),
        (seen.in_flight, "running"),
        (seen.offered_per_s, "requests/s offered"),
        (seen.requests_per_s, "answered"),
        (seen.forecast_per_s, "expected"),
    ):
        if value is not None:
            yield f"{value:.3g} {unit}" if isinstance(value, float) else f"{value} {unit}"
    if 95 in seen.latency_s:
        yield f"95% within {_ms(seen.latency_s[95])}"
    if seen.wait_s is not None:
        yield f"wait {_ms(seen.wait_s)}"
    for name, percent in (
        ("CPU", seen.cpu_percent),
        ("memory", seen.memory_percent),
        ("GPU", seen.gpu_percent),
        ("GPU memory", seen.gpu_memory_percent),
    ):
        if percent is not None:
            yield f"{name} {percent:.0f}%"
    for name, value in seen.queries.items():
        yield f"{name} {value:g}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
