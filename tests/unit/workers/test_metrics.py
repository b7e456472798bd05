"""What a worker's metrics say of its GPU."""

from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mesh.figures import GpuFigures
from mesh.records import DeploymentRecord
from mesh.spec.deployment import DeploymentSpec
from mesh.subjects import WorkerAddress
from mesh.wire import WorkerHeartbeat
from workers.instance import Instance
from workers.metrics import WorkerCollector
from workers.tally import WorkerTally

ADDRESS = WorkerAddress("iris", "blue", "i1")
GPU = GpuFigures(uuid="GPU-a", name="A100", percent=37, memory_bytes=10, memory_total_bytes=80)
LABELS = (
    'deployment="blue",endpoint="iris",generation="1",gpu="GPU-a",gpu_name="A100",'
    'mesh_instance="i1"'
)


def page(gpu):
    spec = DeploymentSpec(name="blue", endpoint_name="iris")
    instance = Instance(
        SimpleNamespace(is_connected=True), ADDRESS, DeploymentRecord(spec=spec, generation=1)
    )
    said = WorkerHeartbeat(**ADDRESS._asdict(), generation=1, state="ready", gpu=gpu)
    heart = SimpleNamespace(last=said, is_ready=True)
    registry = CollectorRegistry()
    registry.register(WorkerCollector(instance, WorkerTally(), heart, dict))
    return generate_latest(registry).decode()


@pytest.mark.parametrize(
    "line",
    ["utilization_ratio{%s} 0.37", "memory_bytes{%s} 10.0", "memory_total_bytes{%s} 80.0"],
)
def test_the_gpu_has_its_figures(line):
    """By instance, and by the GPU it has."""
    assert f"mesh_gpu_{line % LABELS}" in page(GPU)


def test_what_is_not_there_is_absent():
    """No GPU, or no utilization of it, is no zero."""
    assert "mesh_gpu" not in page(None)
    assert "utilization" not in page(GpuFigures(uuid="GPU-a"))
