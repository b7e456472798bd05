"""What every launcher holds, whatever it starts instances with."""

import pytest

from mesh.subjects import WorkerAddress
from scaler.launchers import LaunchError, Need
from tests.contract.launcher.conftest import Subject

LIVES = WorkerAddress("iris", "lives", "g1-a")
STUBBORN = WorkerAddress("iris", "stubborn", "g1-b")
ENDS = WorkerAddress("iris", "ends", "g1-c")
HUNGRY = WorkerAddress("iris", "hungry", "g1-d")
BROKEN = WorkerAddress("iris", "broken", "g1-e")
SMALL = Need(cores=1, memory_bytes=64 << 20)


async def test_what_is_launched_runs_at_once(subject: Subject):
    """It is known with all it was started with before anything is waited for."""
    launcher = subject.launcher()

    launcher.launch(LIVES, 3, SMALL)
    [running] = launcher.running()

    assert (running.address, running.generation, running.need) == (LIVES, 3, SMALL)
    assert running.draining_since_s is None


async def test_an_end_is_told_once_and_then_it_runs_no_more(subject: Subject):
    """With the exit code, and what it wrote last."""
    subject.launcher().launch(ENDS, 1)

    ended, still_running = await subject.ends.get()

    assert (ended.running.address, ended.code) == (ENDS, 7)
    assert ended.last_words.splitlines()[-1] == "so long"
    assert not still_running
    assert subject.ends.empty()


async def test_a_drain_lets_it_finish(subject: Subject):
    """It is asked, known to have been asked, and asked only once."""
    launcher = subject.launcher()
    launcher.launch(LIVES, 1)
    await subject.can_be_asked(LIVES)

    launcher.drain(LIVES)
    since_s = launcher.running()[0].draining_since_s
    launcher.drain(LIVES)

    assert since_s is not None
    assert (await subject.ended()).code == 0


async def test_a_kill_ends_who_does_not_listen(subject: Subject):
    """At once, and told as any end."""
    launcher = subject.launcher()
    launcher.launch(STUBBORN, 1)
    await subject.can_be_asked(STUBBORN)
    launcher.drain(STUBBORN)

    launcher.kill(STUBBORN)
    ended = await subject.ended()

    assert ended.code not in (0, None)
    assert ended.running.draining_since_s is not None


async def test_who_has_ended_can_be_asked_to(subject: Subject):
    """It is harmless, as the end may not be known yet."""
    launcher = subject.launcher()
    launcher.launch(ENDS, 1)
    await subject.ended()

    launcher.drain(ENDS)
    launcher.kill(ENDS)

    assert launcher.running() == []


async def test_instances_outlive_the_launcher(subject: Subject):
    """The next one has them, with what they were given, and tells their end."""
    first = subject.launcher()
    first.launch(LIVES, 2, SMALL)
    await subject.can_be_asked(LIVES)
    await first.close()

    second = subject.launcher()
    [running] = second.running()
    second.drain(LIVES)
    ended = await subject.ended()

    assert (running.address, running.generation, running.need) == (LIVES, 2, SMALL)
    assert ended.running.address == LIVES


async def test_what_cannot_start_is_an_error(subject: Subject):
    """With a reason, and nothing is left of it."""
    launcher = subject.launcher()

    with pytest.raises(LaunchError, match=r"[Nn]o such"):
        launcher.launch(BROKEN, 1)

    assert launcher.running() == []


async def test_what_is_not_there_cannot_be_given(subject: Subject):
    """Asked beforehand it says why, and asked to all the same it refuses for that."""
    launcher, gpu = subject.launcher(), Need(device="cuda")

    reason = launcher.lacks(gpu)

    assert "GPU" in reason
    assert launcher.lacks(Need()) == ""
    with pytest.raises(LaunchError, match="GPU"):
        launcher.launch(LIVES, 1, gpu)


async def test_memory_is_held_to(subject: Subject):
    """Who takes more than it was given is ended, and its end says so; limits are told in words."""
    launcher = subject.launcher()
    assert launcher.limits
    if not subject.holds_memory:
        pytest.skip(f"this launcher holds to nothing: {launcher.limits}")

    launcher.launch(HUNGRY, 1, SMALL)
    ended = await subject.ended()

    assert ended.code == -9
    assert ended.why == "out of memory: limit 64.0 MiB: a process of it was killed"
