"""The life of a program: what stops it, and what its exit code says."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys

import pytest

from mesh import lifecycle
from mesh.errors import BusError, SpecError
from mesh.exits import Exit
from mesh.settings import load_settings


def end_of(error):
    """The exit code of a program whose main raises `error`."""

    async def main(stop):
        raise error

    return lifecycle.run("test", main)


@pytest.fixture(autouse=True)
def plain_logging():
    """`run` sets up logging for a whole process: give it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_what_main_returns_is_the_exit_code():
    """A program that ends by itself says how."""

    async def main(stop):
        return Exit.BROKER_LOST

    assert lifecycle.run("test", main) == Exit.BROKER_LOST


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(SpecError("f: key: rule"), Exit.BAD_SETTINGS, id="settings"),
        pytest.param(BusError("no broker"), Exit.NOT_STARTED, id="broker"),
        pytest.param(OSError(98, "Address already in use"), Exit.NOT_STARTED, id="port"),
        pytest.param(ValueError("a bug"), Exit.CRASHED, id="bug"),
        pytest.param(
            ExceptionGroup("g", [ValueError("x"), SpecError("k")]), Exit.BAD_SETTINGS, id="group"
        ),
    ],
)
def test_errors_become_exit_codes(error, code):
    """Whoever started the program can tell apart what it cannot see."""
    assert end_of(error) == code


def test_bad_settings_are_one_line(capsys):
    """An operator's mistake needs no traceback."""
    end_of(SpecError("mesh.yaml: gateway.prot: no such setting"))

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("mesh.yaml: gateway.prot: no such setting")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop(sig):
    """The program drains and leaves cleanly."""

    async def main(stop):
        os.kill(os.getpid(), sig)
        await stop.wait()
        return Exit.CLEAN

    assert lifecycle.run("test", main) == Exit.CLEAN


def test_a_start_that_waits_for_the_broker_can_be_stopped():
    """Told to stop, nobody goes on looking for a broker; it is no failure."""
    flags = {"nats.url": "nats://127.0.0.1:9", "nats.connect_timeout_s": 60}
    settings = load_settings(environ={}, flags=flags)

    async def main(stop):
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        await lifecycle.connect(settings, "worker", "test")

    assert lifecycle.run("test", main) == Exit.CLEAN


def test_who_does_not_drain_in_time_is_cut_off():
    """The grace is a limit."""

    async def main(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
        return Exit.CLEAN

    assert lifecycle.run("test", main, grace_s=0.01) == Exit.CUT_OFF


def test_a_program_may_allow_itself_a_longer_drain():
    """What an operator grants in the settings is not cut off by a default."""

    async def main(stop):
        lifecycle.allow_drain(5.0)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)  # the work that is left
        return Exit.CLEAN

    assert lifecycle.run("test", main, grace_s=0.01) == Exit.CLEAN


def test_the_end_of_the_lifeline_asks_to_stop(monkeypatch):
    """When the writer is gone, however it went, the program drains."""
    reader, writer = os.pipe()
    monkeypatch.setenv(lifecycle.LIFELINE_ENV, str(reader))

    async def main(stop):
        os.close(writer)
        await stop.wait()
        return Exit.CLEAN

    assert lifecycle.run("test", main) == Exit.CLEAN
    assert lifecycle.lifeline_fds() == (reader,)


def test_a_program_announces_itself_once(monkeypatch, tmp_path):
    """Its record is in the state folder, and who waits for it is told."""
    reader, writer = os.pipe()
    monkeypatch.setenv(lifecycle.READY_ENV, str(writer))
    monkeypatch.setenv(lifecycle.NAME_ENV, "gateway-2")
    settings = load_settings(environ={}, flags={"state_dir": str(tmp_path)})

    lifecycle.announce(settings, "gateway", url="http://here")
    lifecycle.announce(settings, "gateway", url="http://here")

    told = json.loads(os.read(reader, 65536))
    assert told == json.loads((tmp_path / "run" / "gateway-2.json").read_text())
    assert (told["url"], told["pid"], told["name"]) == ("http://here", os.getpid(), "gateway-2")
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_busy_loop_does_not_outlive_its_grace():
    """A program that hangs while it drains is ended from outside its loop."""
    code = (
        "import os, signal, time\n"
        "from mesh import lifecycle\n"
        "lifecycle.LAST_GRACE_S = 0.05\n"
        "async def main(stop):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    await stop.wait()\n"
        "    while True: time.sleep(1)\n"
        "lifecycle.run('test', main, grace_s=0.05)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert done.returncode == Exit.CUT_OFF
