"""A real mesh, started and filled through its own command line. Ring: adapter."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks import processes
from benchmarks.load import IRIS, Question, Target, wait_until_right
from benchmarks.processes import ServerError

ROOT: Final = Path(__file__).parents[1]
EXECUTABLE: Final = Path(sys.executable).parent / "mesh"
SPECS: Final = Path(__file__).parent / "specs"
UP_S: Final = 60.0


class Mesh:
    """One installed `mesh` command, over one state folder."""

    def __init__(self, executable: Path, home: Path) -> None:
        self.executable = str(executable)
        self.home = home
        self.port = processes.free_port()
        self.env = {
            "MESH_STATE_DIR": str(home / "state"),
            "MESH_GATEWAY__PORT": str(self.port),
            "MESH_SCALER__PORT": "0",
            "NO_COLOR": "1",
        }

    def __repr__(self) -> str:
        return f"<Mesh {self.executable} port={self.port}>"

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a `mesh` command to its end."""
        return subprocess.run(
            [self.executable, *words],
            cwd=self.home,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def ask(self, *words: str) -> Any:
        """Run a `mesh` command and return what it says as JSON.

        Raises:
            ServerError: it failed.
        """
        done = self.call(*words, "-o", "json")
        if done.returncode:
            raise ServerError(f"mesh {' '.join(words)}: {done.stderr or done.stdout}")
        return json.loads(done.stdout or "null")

    def wait_until_up(self, pid: int) -> None:
        """Return when `mesh status` finds every program up and a gateway's heartbeat.

        Raises:
            ServerError: it never did, or `mesh up` ended.
        """
        deadline_s = time.monotonic() + UP_S
        while not _is_up(status := self.call("status", "-o", "json")):
            if time.monotonic() > deadline_s or not processes.tree(pid):
                raise ServerError(f"mesh up: {status.stdout}{status.stderr}")
            time.sleep(0.1)


def _is_up(status: subprocess.CompletedProcess[str]) -> bool:
    if status.returncode:
        return False
    found = json.loads(status.stdout)
    programs = found["programs"]
    return (
        bool(programs)
        and all(program["state"] == "up" for program in programs)
        and bool((found["mesh"] or {}).get("gateways"))
    )


@contextlib.contextmanager
def open_mesh(
    home: Path,
    executable: Path,
    spec: str = "deployment.yaml",
    path: str = "/score",
    question: Question = IRIS,
) -> Iterator[Target]:
    """Serve the model with key authentication, metrics and the access record on."""
    mesh = Mesh(executable, home)
    command = [mesh.executable, "up"]
    with processes.running(command, home / "server.log", mesh.env, cwd=home) as root:
        mesh.wait_until_up(root.pid)
        mesh.ask("endpoint", "create", "-f", str(SPECS / "endpoint.yaml"))
        mesh.ask("deployment", "create", "-f", str(SPECS / spec), "--all-traffic")
        key = mesh.ask("endpoint", "get-credentials", "-n", "bench")["primaryKey"]
        url = f"http://127.0.0.1:{mesh.port}/endpoints/bench{path}"
        target = Target(url=url, pid=root.pid, key=key, question=question)
        wait_until_right(target)
        yield target
