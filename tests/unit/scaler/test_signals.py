"""What instances tell of a deployment's load."""

import pytest

from mesh.figures import GpuFigures, ServiceTime
from mesh.wire import WorkerHeartbeat
from scaler.signals import expected_wait_s, heard_signals


def beat(state="ready", **changes):
    return WorkerHeartbeat(
        endpoint="iris", deployment="blue", instance="i", generation=1, state=state, **changes
    )


def signals(*beats):
    return heard_signals(beats, [], "iris/blue")


def test_memory_is_of_what_an_instance_may_have():
    """The mean of the ready ones; who does not tell its limit is left out."""
    found = signals(
        beat(memory_bytes=50, memory_limit_bytes=100),
        beat(memory_bytes=10, memory_limit_bytes=100),
        beat(memory_bytes=99),
        beat("starting", memory_bytes=99, memory_limit_bytes=100),
    )

    assert found["memory_percent"] == pytest.approx(30.0)


def test_gpus_are_the_mean_of_the_instances():
    """Utilization may be unknown where memory is known."""
    found = signals(
        beat(gpu=GpuFigures(uuid="a", percent=80.0, memory_bytes=1, memory_total_bytes=4)),
        beat(gpu=GpuFigures(uuid="b", percent=None, memory_bytes=3, memory_total_bytes=4)),
    )

    assert (found["gpu_percent"], found["gpu_memory_percent"]) == (80.0, 50.0)


def test_in_flight_is_what_all_instances_run():
    """Those that drain too."""
    assert signals(beat(in_flight=2), beat("draining", in_flight=1))["in_flight"] == 3


def test_silence_is_not_zero():
    """Nobody tells, nothing is known."""
    found = signals()

    assert found == {
        "in_flight": None,
        "memory_percent": None,
        "gpu_percent": None,
        "gpu_memory_percent": None,
        "requests_per_s": None,
        "latency_s": {},
        "latency_mean_s": None,
    }


@pytest.mark.parametrize(
    ("lanes", "ready", "wait_s"),
    [
        ({"interactive": 9}, [beat(slots=2, service=ServiceTime(slot_s=0.5, answered=1))], 2.0),
        ({"interactive": 1}, [beat(slots=2, service=ServiceTime(slot_s=0.5, answered=1))], 0.0),
        ({"interactive": 9}, [beat(slots=2)], None),
        ({}, [], 3.0),
    ],
    ids=["behind others", "a slot is free", "no answer yet", "an instance has to start"],
)
def test_the_expected_wait_is_that_by_which_gateways_refuse(lanes, ready, wait_s):
    """So many before it, by what the instances take off the queue."""
    assert expected_wait_s(lanes, ready, startup_s=3.0) == wait_s
