"""`mesh up | status | down` with the real programs, through the command, a model deployed."""

import json
import os
import signal

import pytest

from mesh.process import wait_gone
from tests.e2e.person import ANSWER

pytestmark = pytest.mark.timeout(120)
GONE_S = 45


def until(process, text):
    """Read the log up to a line with this text."""
    for line in process.stderr:
        if text.encode() in line:
            return
    raise AssertionError(f"{text!r} was not logged")


async def test_a_mesh_in_the_background(person):
    """up --detach returns when all serves, status shows it, down leaves no process."""
    assert person.mesh("status").returncode == 3

    up = person.mesh("up", "--detach")
    status = json.loads(person.mesh("status", "-o", "json").stdout)
    processes = person.processes()
    second = person.mesh("up", "--detach")
    down = person.mesh("down")

    assert (up.returncode, down.returncode) == (0, 0), up.stderr + down.stderr
    assert [one["name"] for one in status["programs"]] == ["nats-server", "gateway", "scaler"]
    assert status["programs"][1]["url"] in up.stdout
    assert status["mesh"]["endpoints"] == []
    assert (second.returncode, f"pid {status['pid']}" in second.stderr) == (1, True)
    assert len(processes) >= 4
    assert not any(one.is_alive() for one in processes)
    assert person.mesh("status").returncode == 3


async def test_everything_is_there_after_down_and_up(person):
    """Endpoints, deployments, models and keys outlive the processes."""
    person.mesh("up", "--detach")
    person.deploy()
    keys = person.keys()
    person.mesh("down")
    (person.folder / "src" / "score.py").unlink()  # the mesh keeps what it was given

    up = person.mesh("up", "--detach")
    wait = person.mesh("deployment", "show", "-n", "blue", "-e", "echo")

    assert up.returncode == wait.returncode == 0, up.stderr
    assert person.ask() == ANSWER
    assert person.keys() == keys
    processes = person.processes()
    assert person.mesh("down").returncode == 0
    assert not any(one.is_alive() for one in processes)


async def test_whatever_is_killed_comes_back(person):
    """nats-server, gateway and scaler, one after another: the model answers again."""
    up = person.up()
    person.deploy()

    for name in ("nats-server", "gateway", "scaler"):
        pid = next(one.pid for one in person.state.mesh().programs if one.name == name)
        os.kill(pid, signal.SIGKILL)
        until(up, f"up.restarted name={name}")

        assert person.ask() == ANSWER, name
    processes = person.processes()
    os.killpg(up.pid, signal.SIGINT)  # what a terminal does at Ctrl-C
    up.stderr.read()
    assert up.wait() == 0
    assert not any(one.is_alive() for one in processes)


async def test_no_process_outlives_a_killed_mesh_up(person):
    """kill -9 of `mesh up`: broker, gateway, scaler, worker and runner end by themselves."""
    up = person.up()
    person.deploy()
    processes = person.processes()

    up.kill()

    assert len(processes) >= 6
    assert await wait_gone(processes, GONE_S) == []
    assert person.mesh("up", "--detach").returncode == 0
    assert person.ask() == ANSWER
    assert person.mesh("down").returncode == 0


async def test_the_nats_tool_is_told_how_to_join(person):
    """Its variables, and our own commands work with them set."""
    person.mesh("up", "--detach")

    exports = person.mesh("nats", "env").stdout
    values = dict(line.removeprefix("export ").split("=", 1) for line in exports.splitlines())
    person.environ |= values

    assert set(values) == {"NATS_URL", "NATS_USER", "NATS_PASSWORD"}
    assert person.mesh("status").returncode == 0
    assert person.mesh("down").returncode == 0
