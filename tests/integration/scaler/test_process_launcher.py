"""Processes that the launcher starts, adopts, drains and kills."""

import asyncio
import os
import sys

import msgspec
import pytest

from mesh import lifecycle
from mesh.gpus import Gpu, Gpus
from mesh.process import Identity, wait_gone
from mesh.subjects import WorkerAddress
from scaler.launchers import LaunchError, Need
from scaler.launchers.assignment import Machine
from scaler.launchers.ledger import KEPT_LOGS, InstanceRecord, Ledger
from scaler.launchers.process import ProcessLauncher

BLUE = WorkerAddress("iris", "blue", "g1-abc")
CUDA = Need(device="cuda")
NONE = Gpus(reason="NVML: not here")
TWO = Gpus(found=(Gpu(0, "GPU-a", "A100"), Gpu(1, "GPU-b", "A100")))
WAIT = "import signal; print('up', flush=True); signal.pause()"
PARENT = """
import os, signal
if child := os.fork():
    os.write(int(os.environ["MESH_LIFELINE_FD"]), str(child).encode())
signal.pause()
"""
LIFELINE = "import os, sys; os.read(int(os.environ['MESH_LIFELINE_FD']), 1); sys.exit(5)"


class Bench:
    """A launcher of one-line programs, and the ends it told."""

    def __init__(self, state_dir):
        self.state_dir = state_dir
        self.ends = asyncio.Queue()
        self.launchers = []

    def launcher(self, code=WAIT, gpus=NONE):
        def command(address, generation):
            return [sys.executable, "-c", code, *address, str(generation)]

        launcher = ProcessLauncher(
            self.state_dir, command, self.ends.put_nowait, Machine(gpus=gpus)
        )
        self.launchers.append(launcher)
        return launcher

    async def close(self):
        for launcher in self.launchers:
            for running in launcher.running():
                launcher.kill(running.address)
                await self.ends.get()


@pytest.fixture
async def bench(tmp_path):
    """A bench whose processes all end with the test."""
    bench = Bench(tmp_path)
    yield bench
    await bench.close()


async def test_end_is_told_with_code_and_last_words(bench):
    """The end comes with its exit code and what the program wrote last."""
    launcher = bench.launcher("import sys; print('so long'); sys.exit(7)")

    launcher.launch(BLUE, 1)
    began = launcher.running()
    ended = await bench.ends.get()

    assert [running.address for running in began] == [BLUE]
    assert (ended.running.address, ended.code) == (BLUE, 7)
    assert ended.last_words == "so long"
    assert launcher.running() == []
    assert Ledger(bench.state_dir).read() == []


async def test_drain_is_a_sigterm(bench):
    """Draining asks; the end comes with the signal if nobody handles it."""
    launcher = bench.launcher()
    launcher.launch(BLUE, 1)

    launcher.drain(BLUE)
    draining = launcher.running()[0].draining_since_s
    ended = await bench.ends.get()

    assert draining is not None
    assert ended.code == -15


async def test_kill_takes_what_the_instance_started(bench, monkeypatch):
    """An instance leads a session of its own; a kill takes all of it."""
    reading, writing = os.pipe()
    monkeypatch.setenv(lifecycle.LIFELINE_ENV, str(writing))  # a way for the child to speak to us
    launcher = bench.launcher(PARENT)
    launcher.launch(BLUE, 1)
    os.close(writing)
    child = int(await asyncio.to_thread(os.read, reading, 20))
    os.close(reading)
    identity = Identity.of(child)

    launcher.kill(BLUE)
    ended = await bench.ends.get()

    assert ended.code == -9
    assert await wait_gone([identity], 3) == []


async def test_next_launcher_adopts_by_pid_and_start_time(bench):
    """A process of an earlier scaler is found, watched, and ended like one's own."""
    first = bench.launcher()
    first.launch(BLUE, 3)
    pid = first.running()[0].pid
    await first.close()

    second = bench.launcher()
    [adopted] = second.adopt()
    second.kill(BLUE)
    ended = await bench.ends.get()

    assert (adopted.address, adopted.generation, adopted.pid) == (BLUE, 3, pid)
    assert ended.running.pid == pid


async def test_pid_of_another_process_is_not_adopted(bench):
    """A pid that is somebody else's by now is not ours."""
    Ledger(bench.state_dir).write(
        InstanceRecord(
            endpoint="iris", deployment="blue", instance="g1-abc", generation=1,
            pid=os.getpid(), create_time=1.0,
        )
    )  # fmt: skip
    launcher = bench.launcher()

    assert launcher.adopt() == []
    assert Ledger(bench.state_dir).read() == []


async def test_process_whose_pid_was_never_written_is_found(bench):
    """A scaler that died between start and record leaves no process behind unknown."""
    first = bench.launcher()
    first.launch(BLUE, 1)
    pid = first.running()[0].pid
    await first.close()
    Ledger(bench.state_dir).write(InstanceRecord.of(BLUE, 1))

    [adopted] = bench.launcher().adopt()

    assert adopted.pid == pid


async def test_command_that_cannot_start_is_an_error(bench):
    """A launch fails with a reason and leaves no record."""
    launcher = ProcessLauncher(bench.state_dir, lambda *_: ["/no/such/program"], bench.ends.put)

    with pytest.raises(LaunchError, match="No such file"):
        launcher.launch(BLUE, 1)

    assert Ledger(bench.state_dir).read() == []


async def test_lifeline_is_inherited(bench, monkeypatch):
    """An instance hears the end of the life-line, which passes through the scaler."""
    reading, writing = os.pipe()
    monkeypatch.setenv(lifecycle.LIFELINE_ENV, str(reading))
    bench.launcher(LIFELINE).launch(BLUE, 1)
    os.close(reading)

    os.close(writing)
    ended = await bench.ends.get()

    assert ended.code == 5


async def test_old_logs_are_removed(bench):
    """The logs of the last ten instances are kept."""
    launcher = bench.launcher("pass")
    for number in range(KEPT_LOGS + 3):
        launcher.launch(WorkerAddress("iris", "blue", f"g1-{number}"), 1)
        await bench.ends.get()

    assert len(list((bench.state_dir / "logs").iterdir())) == KEPT_LOGS + 1


def test_unreadable_record_is_left_alone(tmp_path):
    """A broken file stops nothing."""
    ledger = Ledger(tmp_path)
    (tmp_path / "workers" / "broken.json").write_text("{")
    ledger.write(InstanceRecord.of(BLUE, 1))

    assert [record.address for record in ledger.read()] == [BLUE]
    assert msgspec.json.decode((tmp_path / "workers" / "iris.blue.g1-abc.json").read_bytes())


async def test_instances_are_spread_over_the_gpus(bench):
    """Each gets the GPU with the fewest instances, and is told it; more than that share."""
    launcher = bench.launcher("import os; print(os.environ['CUDA_VISIBLE_DEVICES'])", TWO)

    for name in ("a", "b", "c"):
        launcher.launch(BLUE._replace(instance=name), 1, CUDA)
    launcher.launch(BLUE._replace(instance="d"), 1)
    ended = [await bench.ends.get() for _ in "abcd"]

    told = {one.running.address.instance: one.last_words for one in ended}
    assert told == {"a": "GPU-a", "b": "GPU-b", "c": "GPU-a", "d": ""}


async def test_adopted_instances_keep_their_gpu(bench):
    """The next scaler counts what the last one gave away."""
    first = bench.launcher(gpus=TWO)
    first.launch(BLUE, 1, CUDA)
    await first.close()

    second = bench.launcher(gpus=TWO)
    [adopted] = second.adopt()
    second.launch(BLUE._replace(instance="other"), 1, CUDA)

    assert [one.place.visible for one in second.running()] == [adopted.place.visible, "GPU-b"]
    assert {record.place.gpus for record in Ledger(bench.state_dir).read()} == {
        ("GPU-a",),
        ("GPU-b",),
    }


async def test_a_gpu_that_is_not_there_cannot_be_given(bench):
    """The launch fails with the reason, and nothing is left of it."""
    with pytest.raises(LaunchError, match=r"no GPU on this machine \(NVML: not here\)"):
        bench.launcher().launch(BLUE, 1, CUDA)

    assert Ledger(bench.state_dir).read() == []
