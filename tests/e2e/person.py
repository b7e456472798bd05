"""Somebody who uses the mesh through its command, in a folder of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from mesh.embedded.folder import StateFolder
from mesh.process import Identity

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "mesh"]

ENDPOINT = "{name: echo, auth_mode: key}"
DEPLOYMENT = """
name: blue
endpoint_name: echo
code_configuration: {{code: src, scoring_script: score.py}}
instance_count: {instances}
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

    def deploy(self, script: str = SCRIPT, instances: int = 1, more: str = "") -> None:
        """Have a model served; `more` is added to its YAML."""
        (self.folder / "endpoint.yml").write_text(ENDPOINT)
        (self.folder / "blue.yml").write_text(DEPLOYMENT.format(instances=instances) + more)
        (self.folder / "src").mkdir(exist_ok=True)
        (self.folder / "src" / "score.py").write_text(script)
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

    @property
    def url(self) -> str:
        """Where the model is asked."""
        gateway = next(one for one in self.state.mesh().programs if one.name == "gateway")
        return f"{gateway.url}/endpoints/echo/score"

    @property
    def headers(self) -> dict[str, str]:
        """What a request is sent with."""
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}

    def ask(self) -> str:
        """The model's answer; a client waits as a 503 tells it to, three times at most."""
        answer = None
        for _ in range(4):
            answer = httpx.post(self.url, content=ANSWER, headers=self.headers)
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
