"""Instances as processes that are held to cores and memory."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from mesh.gpus import Gpu, Gpus
from mesh.process import THREADS, Identity
from mesh.subjects import WorkerAddress
from scaler.launchers import Need, NoRoomError, Place, Running
from scaler.launchers.assignment import Machine
from scaler.launchers.cgroup import CgroupError, open_cgroups
from scaler.launchers.process import ProcessLauncher
from scaler.launchers.watcher import Watcher

BLUE = WorkerAddress("iris", "blue", "g1-a")
SMALL = Need(memory_bytes=64 << 20)
WAIT = "import signal; signal.pause()"
HUNGRY = "import signal; kept = b'x' * (200 << 20); signal.pause()"
# As a worker and a runner: the child leads a session, takes its memory and is started once.
PARENT = f"""
import subprocess, sys, signal
child = subprocess.Popen([sys.executable, "-c", {HUNGRY!r}], start_new_session=True)
print("child ended with", child.wait(), flush=True)
signal.pause()
"""


class Bench:
    """A launcher of one-line programs, its ends and its troubles."""

    def __init__(self, state_dir):
        self.state_dir = state_dir
        self.ends = asyncio.Queue()
        self.troubles = asyncio.Queue()
        self.launcher = None

    def start(self, code, limiter, machine=None):
        machine = machine or Machine(cpus=tuple(os.sched_getaffinity(0)), memory_bytes=64 << 30)
        command = [sys.executable, "-c", code]
        self.launcher = ProcessLauncher(
            self.state_dir, lambda *_: command, self.ends.put_nowait, machine, limiter
        )
        self.launcher.on_out_of_memory(self.troubles.put_nowait)
        return self.launcher

    async def close(self):
        for running in self.launcher.running():
            self.launcher.kill(running.address)
            await self.ends.get()
        await self.launcher.close()


@pytest.fixture
async def bench(tmp_path):
    """A bench whose processes all end with the test."""
    bench = Bench(tmp_path)
    yield bench
    await bench.close()


async def test_who_takes_too_much_memory_is_killed(bench):
    """The end of the instance says why."""
    bench.start(HUNGRY, Watcher()).launch(BLUE, 1, SMALL)

    ended = await bench.ends.get()

    assert ended.code == -9
    assert ended.why == "out of memory: limit 64.0 MiB: a process of it was killed"


async def test_a_runner_is_killed_and_the_instance_lives_on(bench):
    """The largest process is killed, not the worker; what happened is told."""
    launcher = bench.start(PARENT, Watcher())
    launcher.launch(BLUE, 1, SMALL)

    trouble = await bench.troubles.get()

    assert trouble.trouble == "out of memory: limit 64.0 MiB: a process of it was killed"
    assert launcher.running() == [trouble]
    assert Identity.of(trouble.pid).is_alive()


async def test_who_keeps_to_its_memory_is_left_alone(bench):
    """Looked at, and nothing happens."""
    limiter = Watcher()
    bench.start(HUNGRY, limiter).launch(BLUE, 1, Need(memory_bytes=1 << 30))

    assert limiter.check() == []
    assert bench.ends.empty()


async def test_the_next_launcher_holds_who_it_adopts(bench):
    """A limit is in the instance's record."""
    gate = bench.state_dir / "gate"
    code = (
        f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
    )
    first = bench.start(code + HUNGRY, Watcher())
    first.launch(BLUE, 1, SMALL)
    await first.close()

    bench.start(HUNGRY, Watcher()).adopt()
    gate.touch()
    ended = await bench.ends.get()

    assert ended.why.startswith("out of memory: limit 64.0 MiB")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")
async def test_an_instance_is_bound_to_its_cores(bench):
    """Half a core is a whole one, and the next instance gets another."""
    launcher = bench.start(WAIT, Watcher())

    launcher.launch(BLUE, 1, Need(cores=0.5))
    launcher.launch(BLUE._replace(instance="b"), 1, Need(cores=1))
    bound = [os.sched_getaffinity(one.pid) for one in launcher.running()]

    assert [len(cpus) for cpus in bound] == [1, 1]
    assert bound[0] != bound[1]


def test_what_an_instance_has_started_already_is_bound_too():
    """A spare worker may have processes before it is an instance."""
    reading, writing = os.pipe()
    code = "import os, signal\nif child := os.fork(): os.write({}, b'%d' % child)\nsignal.pause()"
    worker = subprocess.Popen(
        [sys.executable, "-c", code.format(writing)], pass_fds=[writing], start_new_session=True
    )
    child = int(os.read(reading, 20))
    spare = Running(
        address=BLUE, generation=1, pid=worker.pid, started_s=0.0, place=Place(cpus=(0,))
    )

    Watcher().hold(spare)
    bound = [os.sched_getaffinity(pid) for pid in (worker.pid, child)]
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    os.close(reading)
    os.close(writing)

    assert bound == [{0}, {0}]


async def test_libraries_start_as_many_threads_as_there_are_cores(bench, monkeypatch):
    """Unless the environment says otherwise."""
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    code = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"

    bench.start(code, Watcher()).launch(BLUE, 1, Need(cores=3, threads=3))

    assert (await bench.ends.get()).last_words == "3 7"


async def test_fractions_of_a_gpu_are_packed(bench):
    """Two halves on one GPU, a whole one on the other, and no room for more."""
    gpus = Gpus(found=(Gpu(0, "GPU-a", "A100"), Gpu(1, "GPU-b", "A100")))
    launcher = bench.start(WAIT, Watcher(), Machine(gpus=gpus, strict=True))
    for name, share in (("a", 0.5), ("b", 1), ("c", 0.5)):
        launcher.launch(BLUE._replace(instance=name), 1, Need(gpus=share))

    with pytest.raises(NoRoomError, match="GPU 0 has 0% free, GPU 1 has 0% free"):
        launcher.launch(BLUE._replace(instance="d"), 1, Need(gpus=0.25))

    assert [one.place.visible for one in launcher.running()] == ["GPU-a", "GPU-b", "GPU-a"]


async def test_the_kernel_holds_who_is_in_a_cgroup(bench):
    """Where cgroup v2 may be used: its runner is killed by the kernel, and that is told."""
    try:
        limiter = open_cgroups(bench.state_dir)
    except CgroupError as exc:
        bench.start(WAIT, Watcher())
        pytest.skip(f"NOT PROVEN HERE: {exc}")
    launcher = bench.start(PARENT, limiter)

    launcher.launch(BLUE, 1, SMALL)
    trouble = await bench.troubles.get()

    assert trouble.trouble == "out of memory: limit 64.0 MiB: a process of it was killed"
    assert Identity.of(trouble.pid).is_alive()
