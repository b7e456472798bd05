"""Cgroups through files that look like the kernel's, and what is said where there are none."""

import hashlib
import os

import pytest

from mesh.settings import ScalerSettings
from mesh.subjects import WorkerAddress
from scaler.launchers import Need, Place, Running
from scaler.launchers.cgroup import CgroupError, Cgroups, open_cgroups, settings
from scaler.launchers.limits import Overrun
from scaler.launchers.machine import open_limiter

BLUE = WorkerAddress("iris", "blue", "g1-a")
NEED = Need(cores=1.5, memory_bytes=64 << 20, reserved_cores=0.5)
KILLED = "out of memory: limit 64.0 MiB: a process of it was killed"


def running(need=NEED):
    return Running(
        address=BLUE, generation=1, pid=os.getpid(), started_s=0.0, need=need, place=Place()
    )


def kernel(tmp_path, controllers="cpu memory io", inside="/a/b"):
    """A hierarchy, and the files by which the kernel tells us of it."""
    mount, proc = tmp_path / "cgroup", tmp_path / "proc"
    for folder in (mount / "a" / "b", proc):
        folder.mkdir(parents=True)
    for folder in (mount, mount / "a", mount / "a" / "b"):
        (folder / "cgroup.controllers").write_text(controllers)
        (folder / "cgroup.subtree_control").write_text("cpu memory")
    (proc / "mountinfo").write_text(f"30 24 0:26 / {mount} rw - cgroup2 cgroup2 rw\n")
    (proc / "cgroup").write_text(f"9:name=systemd:/x\n0::{inside}\n")
    return mount, proc


def own_folder(above, state_dir):
    """Our folder as the kernel would fill it when it is made."""
    base = above / f"serving-mesh-{hashlib.sha256(str(state_dir).encode()).hexdigest()[:8]}"
    base.mkdir()
    (base / "cgroup.subtree_control").write_text("cpu memory")
    return base


def test_the_group_of_an_instance_says_what_it_may_have():
    """In the words of the kernel: microseconds of each 100 ms, bytes, a weight."""
    assert settings(NEED) == {
        "cpu.max": "150000 100000",
        "memory.max": "67108864",
        "cpu.weight": "50",
    }
    assert settings(Need()) == {"cpu.max": "max 100000", "memory.max": "max"}


def test_an_instance_is_put_into_a_group_of_its_own(tmp_path):
    """With its limits written before it comes."""
    Cgroups(tmp_path).hold(running())

    folder = tmp_path / "iris.blue.g1-a"
    assert (folder / "memory.max").read_text() == "67108864"
    assert (folder / "memory.swap.max").read_text() == "0"
    assert (folder / "cgroup.procs").read_text()


def test_what_the_kernel_kills_is_told_once(tmp_path):
    """Also when the instance has ended of it; what was killed before it was adopted is not."""
    folder = tmp_path / "iris.blue.g1-a"
    folder.mkdir()
    (folder / "memory.events").write_text("oom 1\noom_kill 2\noom_group_kill 0\n")
    groups = Cgroups(tmp_path)
    groups.hold(running())

    before = groups.check()
    (folder / "memory.events").write_text("oom 2\noom_kill 3\n")

    assert before == []
    assert groups.check() == [Overrun(address=BLUE, text=KILLED)]
    assert groups.check() == []
    assert groups.release(BLUE) == KILLED


def test_groups_of_who_ended_unseen_are_removed(tmp_path):
    """Nobody was there to do it; a group with something in it cannot be removed."""
    (tmp_path / "iris.blue.g1-gone").mkdir()
    (tmp_path / "iris.blue.g1-a").mkdir()
    (tmp_path / "iris.blue.g1-a" / "cgroup.procs").touch()

    Cgroups(tmp_path)

    assert [folder.name for folder in tmp_path.iterdir()] == ["iris.blue.g1-a"]


def test_the_nearest_group_that_works_is_used(tmp_path):
    """Where ours may not be divided, as it has processes in it, one above it."""
    mount, proc = kernel(tmp_path)
    (mount / "a" / "b" / "cgroup.controllers").write_text("io")
    base = own_folder(mount / "a", tmp_path)

    groups = open_cgroups(tmp_path, proc=proc)

    assert groups.text == f"cgroup v2 ({base})"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param("controllers", "a/b: it does not have the controllers cpu", id="controllers"),
        pytest.param("mount", "it is not mounted", id="no-mount"),
        pytest.param("group", "we are in no group of it", id="version-1"),
    ],
)
def test_where_they_cannot_be_used_it_is_said_why(tmp_path, spoil, said):
    """The reason of our own group, which is the first that was tried."""
    _, proc = kernel(tmp_path, controllers="memory" if spoil == "controllers" else "cpu memory")
    if spoil == "mount":
        (proc / "mountinfo").write_text("25 1 0:22 / /sys rw - sysfs sysfs rw\n")
    if spoil == "group":
        (proc / "cgroup").write_text("4:memory:/x\n")

    with pytest.raises(CgroupError, match=said):
        open_cgroups(tmp_path, proc=proc)


def test_a_chosen_folder_that_does_not_work_is_said(tmp_path):
    """And no other one is looked for."""
    limiter = open_limiter(ScalerSettings(cgroup=str(tmp_path / "none")), tmp_path)

    assert limiter.text == (
        "whole cores by affinity, memory by a watcher "
        f"(cgroup v2 may not be used: {tmp_path / 'none'}: No such file or directory)"
    )


def test_where_nothing_is_to_be_held_nothing_is_looked_for(tmp_path):
    """`limits: none`."""
    assert open_limiter(ScalerSettings(limits="none"), tmp_path).text.startswith("not held")
