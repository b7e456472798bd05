"""GPUs as NVML, the launcher and the runners see them."""

import asyncio
import json
import statistics
import sys
import time

import pytest

from mesh.gpus import VISIBLE, Gpus
from mesh.nvml import Device
from mesh.subjects import WorkerAddress
from scaler.launchers import Need, NoRoomError
from scaler.launchers.assignment import Machine
from scaler.launchers.process import ProcessLauncher
from tests.gpus import gpus
from tests.runners import Stage
from workers.devices import DeviceWatch

READ_LIMIT_S = 0.05
BLUE = WorkerAddress("iris", "blue", "g1-a")
# What a script, and a program, says of the GPUs it sees.
SEEN = """
import cupy, pynvml
def seen():
    pynvml.nvmlInit()
    places = map(cupy.cuda.runtime.deviceGetPCIBusId, range(cupy.cuda.runtime.getDeviceCount()))
    return [pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByPciBusId(p)) for p in places]
"""
TELL = SEEN + "def init(): pass\ndef run(raw): return seen()\n"


@pytest.fixture
async def stage(tmp_path):
    """Runners under the tests' interpreter."""
    stage = Stage(tmp_path)
    yield stage
    await stage.close()


@pytest.mark.gpu
def test_each_gpu_has_a_name_and_can_be_asked():
    """NVML names every GPU of this machine, and each tells its memory when asked by its UUID."""
    for gpu in gpus().found:
        device = Device.open(gpu.uuid)
        figures = device.read()
        device.close()

        assert (figures.uuid, figures.name) == (gpu.uuid, gpu.name)
        assert 0 < figures.memory_bytes < figures.memory_total_bytes
        assert figures.percent is None or 0 <= figures.percent <= 100


@pytest.mark.gpu
def test_reading_is_quick(record_property):
    """A reading of a GPU's figures takes less than 50 ms in the median."""
    device = Device.open(gpus().found[0].uuid)
    taken_s = []
    for _ in range(20):
        began_s = time.perf_counter()
        device.read()
        taken_s.append(time.perf_counter() - began_s)
    device.close()

    record_property("median_ms", statistics.median(taken_s) * 1000)
    assert statistics.median(taken_s) < READ_LIMIT_S


@pytest.mark.gpu
async def test_the_watch_has_figures():
    """A worker's watch reads the GPU it was given, for its heartbeat and its metrics."""
    watch = DeviceWatch(gpus().found[0].uuid)
    running = asyncio.create_task(watch.run())

    while watch.figures is None:
        await asyncio.wait({running}, timeout=0.05)
        assert not running.done(), "NVML was not to be had"
    running.cancel()

    assert watch.figures.uuid == gpus().found[0].uuid


@pytest.mark.gpu("cupy")
async def test_memory_in_use_is_seen(stage):
    """What a script takes of a GPU's memory is in the figures of that GPU."""
    gpu = gpus().found[0]
    device = Device.open(gpu.uuid)
    before = device.read().memory_bytes
    runner = await stage.runner(
        "import cupy\ndef init(): global kept; kept = cupy.ones(256 << 20, 'u1')\n"
        "def run(raw): return int(kept[:3].sum())",
        env={VISIBLE: gpu.uuid},
    )

    answer = await stage.call(runner)
    after = device.read().memory_bytes
    device.close()

    assert json.loads(answer.body) == 3
    assert after - before >= 256 << 20


@pytest.mark.gpu("cupy")
async def test_a_runner_sees_its_gpu_alone(stage):
    """A runner sees the one GPU that CUDA_VISIBLE_DEVICES names, and no other."""
    for gpu in gpus().found:
        runner = await stage.runner(TELL, env={VISIBLE: gpu.uuid})
        answer = await stage.call(runner)

        assert json.loads(answer.body) == [gpu.uuid]


@pytest.mark.gpu("cupy")
async def test_a_runner_of_a_cpu_deployment_sees_none(stage):
    """With an empty CUDA_VISIBLE_DEVICES, that of `device: cpu`, a script finds no GPU."""
    script = "import cupy\ndef init(): pass\ndef run(raw): return cupy.cuda.is_available()"
    runner = await stage.runner(script, env={VISIBLE: ""})

    answer = await stage.call(runner)

    assert json.loads(answer.body) is False


@pytest.mark.gpu("cupy", "two")
async def test_two_instances_are_on_two_gpus(tmp_path):
    """Two instances that the launcher starts work on two different GPUs."""
    ends = asyncio.Queue()

    def command(*_):
        return [sys.executable, "-c", SEEN + "print(*seen())"]

    launcher = ProcessLauncher(tmp_path, command, ends.put_nowait, Machine(gpus=gpus()))
    for name in ("a", "b"):
        launcher.launch(BLUE._replace(instance=name), 1, Need(device="cuda"))
    ended = [await ends.get(), await ends.get()]
    await launcher.close()

    assert {one.last_words.splitlines()[-1] for one in ended} == {
        gpu.uuid for gpu in gpus().found[:2]
    }


@pytest.mark.gpu
def test_the_memory_of_each_gpu_is_known():
    """NVML tells how much memory each GPU has, so that fractions of it can be counted."""
    for gpu in gpus().found:
        device = Device.open(gpu.uuid)
        total_bytes = device.read().memory_total_bytes
        device.close()

        assert gpu.memory_bytes == total_bytes > 0


@pytest.mark.gpu("cupy")
async def test_two_halves_see_the_same_gpu(tmp_path):
    """Two instances of half a GPU each are packed on one, both see it, and a third has no room."""
    ends = asyncio.Queue()
    machine = Machine(gpus=Gpus(found=gpus().found[:1]), strict=True)

    def command(*_):
        return [sys.executable, "-c", SEEN + "print(*seen())"]

    launcher = ProcessLauncher(tmp_path, command, ends.put_nowait, machine)
    for name in ("a", "b"):
        launcher.launch(BLUE._replace(instance=name), 1, Need(gpus=0.5))
    with pytest.raises(NoRoomError):
        launcher.launch(BLUE._replace(instance="c"), 1, Need(gpus=0.5))
    ended = [await ends.get(), await ends.get()]
    await launcher.close()

    assert {one.last_words.splitlines()[-1] for one in ended} == {gpus().found[0].uuid}
