"""`mesh up | status | down` with the real programs, through the command, a model deployed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from mesh.embedded.folder import StateFolder
from mesh.process import Identity, wait_gone

pytestmark = pytest.mark.timeout(120)
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "mesh"]
GONE_S = 45

ENDPOINT = "{name: echo, auth_mode: key}"
DEPLOYMENT = """
name: blue
endpoint_name: echo
code_configuration: {code: ., scoring_script: score.py}
instance_count: 1
"""
SCRIPT = """
import json

def init():
    pass

def run(raw_data):
    return json.loads(raw_data)
"""
ANSWER = '"hi"'


class Person:
    """Somebody who types `mesh` commands, with a state folder and a model of their own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.state = StateFolder(folder / "state")
        strange = ("NATS_URL", "NATS_USER", "NATS_PASSWORD")
        self.environ = {key: text for key, text in os.environ.items() if key not in strange} | {
            "MESH_STATE_DIR": str(self.state.path),
            "MESH_GATEWAY__PORT": "0",
            "PYTHONPATH": str(ROOT),
        }
        self.shown: list[subprocess.Popen[bytes]] = []
        self.key = ""

    def mesh(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        return subprocess.run(
            [*COMMAND, *args],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def up(self) -> subprocess.Popen[bytes]:
        """Run `mesh up` in sight, leading a process group as it does in a terminal."""
        process = subprocess.Popen(
            [*COMMAND, "up"],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.shown.append(process)
        for line in process.stdout:
            if b"Ctrl-C" in line:
                return process
        raise AssertionError(process.stderr.read().decode())

    def deploy(self) -> None:
        """Have a model served."""
        (self.folder / "endpoint.yml").write_text(ENDPOINT)
        (self.folder / "blue.yml").write_text(DEPLOYMENT)
        (self.folder / "score.py").write_text(SCRIPT)
        for args in (
            ("endpoint", "create", "-f", "endpoint.yml"),
            ("deployment", "create", "-f", "blue.yml", "--all-traffic"),
        ):
            done = self.mesh(*args)
            assert done.returncode == 0, done.stderr
        self.key = self.keys()["primaryKey"]

    def keys(self) -> dict[str, str]:
        """What opens the endpoint."""
        done = self.mesh("endpoint", "get-credentials", "-n", "echo", "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ask(self) -> str:
        """The model's answer; a client waits as a 503 tells it to, three times at most."""
        gateway = next(one for one in self.state.mesh().programs if one.name == "gateway")
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        answer = None
        for _ in range(4):
            answer = httpx.post(
                f"{gateway.url}/endpoints/echo/score", content=ANSWER, headers=headers
            )
            if answer.status_code != 503:
                break
            time.sleep(float(answer.headers["Retry-After"]))
        return answer.text

    def processes(self) -> list[Identity]:
        """Every process of the mesh there is: recorded ones, and those they started."""
        recorded = self.state.leftovers()
        runners = [
            Identity.of(int(pid))
            for one in recorded
            for pid in Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text().split()
        ]
        return recorded + [one for one in runners if one is not None]

    def close(self) -> None:
        """Leave nothing behind."""
        left = self.processes()
        for process in self.shown:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
        for one in left:
            one.send(signal.SIGKILL)


@pytest.fixture
def person(tmp_path):
    """A person, with a home of their own."""
    person = Person(tmp_path)
    yield person
    person.close()


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
    (person.folder / "score.py").unlink()  # the mesh keeps what it was given

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
