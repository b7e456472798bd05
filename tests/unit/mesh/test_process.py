"""Processes: who they are, who dies with whom, and waiting for their end."""

import os
import select
import signal
import subprocess
import sys

import pytest

from mesh.process import Identity, die_with_parent, wait_gone

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def child():
    """A process that lives until it is killed."""
    with subprocess.Popen(SLEEP) as popen:
        yield popen
        popen.kill()


def test_a_process_is_alive_until_it_ends(child):
    """One that waits to be reaped has ended."""
    identity = Identity.of(child.pid)
    assert identity.is_alive()

    identity.send(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert not identity.is_alive()


def test_another_process_with_the_same_pid_is_another(child):
    """A pid that was given to somebody else is not taken for the old one."""
    stranger = Identity(pid=child.pid, create_time=1.0)

    stranger.send(signal.SIGKILL)

    assert not stranger.is_alive()
    assert child.poll() is None


def test_nobody_has_a_pid_that_is_free():
    """Asking for it is no error."""
    with subprocess.Popen([sys.executable, "-c", ""]) as popen:
        pid = popen.pid

    assert Identity.of(pid) is None
    assert not Identity(pid=pid).is_alive()


async def test_waiting_ends_with_the_last_process(child):
    """Nothing is polled: the system says when it is over."""
    identity = Identity.of(child.pid)
    identity.send(signal.SIGKILL)

    assert await wait_gone([identity, Identity(pid=1 << 22)], 5) == []


async def test_waiting_tells_who_is_late(child):
    """After the time that was given, those still running are named."""
    identity = Identity.of(child.pid)

    assert await wait_gone([identity], 0.01) == [identity]


def test_a_child_dies_with_its_parent():
    """Killed or not, a parent takes such a child along."""
    code = (
        "import subprocess, sys\n"
        "from mesh.process import die_with_parent\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],\n"
        "                         preexec_fn=die_with_parent())\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        child = Identity.of(int(parent.stdout.readline()))
        fd = os.pidfd_open(child.pid)
        parent.kill()

    ended, _, _ = select.select([fd], [], [], 5)
    os.close(fd)
    assert ended


def test_where_it_cannot_be_done_it_is_said(monkeypatch, caplog):
    """Other systems have no such signal: the log says what does not hold."""
    monkeypatch.setattr("mesh.process.IS_LINUX", False)

    assert die_with_parent() is None
    assert "may outlive" in caplog.text
