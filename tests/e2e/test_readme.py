"""The README's walk-through, line by line, with requests coming in all the while."""

import http.client
import json
import shutil
import socket
import subprocess
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.walkthrough import Step, complaints, environment, read_blocks, run_block

ROOT = Path(__file__).parents[2]
PORT = "8080"
# What makes the environment that the tests themselves run in.
SET_UP = ("make setup", ". .venv/bin/activate")


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


class Load:
    """Sends requests one after another from a thread until it is stopped."""

    def __init__(self, port: int, key: str) -> None:
        self.answers: Counter[tuple[int, str]] = Counter()
        self._address = ("127.0.0.1", port)
        self._headers = {"Authorization": f"Bearer {key}"}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        body = json.dumps({"data": [[5.1, 3.5, 1.4, 0.2]]})
        with closing(http.client.HTTPConnection(*self._address, timeout=30)) as connection:
            while not self._stop.is_set():
                connection.request("POST", "/endpoints/iris/score", body, self._headers)
                answer = connection.getresponse()
                answer.read()
                deployment = answer.getheader("azureml-model-deployment", "")
                self.answers[answer.status, deployment] += 1


@pytest.fixture
def stranger(tmp_path):
    """A folder with the examples, a mesh of its own on a free port, nothing left behind."""
    shutil.copytree(
        ROOT / "examples" / "iris",
        tmp_path / "examples" / "iris",
        ignore=shutil.ignore_patterns("models"),
    )
    port = free_port()
    environ = environment(tmp_path / "state")
    environ |= {"MESH_GATEWAY__PORT": str(port), "MESH_SCALER__PORT": "0"}
    yield tmp_path, environ, port
    subprocess.run(["mesh", "down"], env=environ, check=False, capture_output=True)


def blocks(port: int) -> list[list[Step]]:
    """The README's blocks, on another port and in an environment that is set up."""
    return [
        [
            step._replace(command=step.command.replace(PORT, str(port)))
            for step in steps
            if step.command not in SET_UP
        ]
        for steps in read_blocks(ROOT / "README.md")
    ]


def is_rollout(steps: list[Step]) -> bool:
    """Whether a block changes the traffic."""
    return any("--traffic" in step.command for step in steps)


@pytest.mark.timeout(240)
def test_the_walk_through_holds_and_no_request_fails(stranger):
    """Every command succeeds as it stands; during the rollout no request fails."""
    folder, environ, port = stranger
    for steps in blocks(port):
        if not is_rollout(steps):
            assert complaints(steps, run_block(steps, folder, environ)) == []
            continue
        key = ask(environ, "endpoint", "get-credentials", "-n", "iris", "--query", "primaryKey")
        with Load(port, key) as load:
            assert complaints(steps, run_block(steps, folder, environ)) == []
        assert {status for status, _ in load.answers} == {200}
        assert min(load.answers[200, "blue"], load.answers[200, "green"]) > 0


def ask(environ: dict[str, str], *args: str) -> str:
    """Return what a query of the `mesh` command prints."""
    command = ["mesh", *args, "-o", "tsv"]
    return subprocess.run(
        command, env=environ, text=True, stdout=subprocess.PIPE, check=True
    ).stdout.strip()
