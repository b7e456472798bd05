"""The servers that are compared: how each is started, and what is asked of it.

Only one runs at a time. On two cores a server that idles beside another still takes from it
(heartbeats, timers, worker processes), so each turn starts one, warms it up, loads it, ends it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import load, peers, processes, triton
from benchmarks.figures import FLOOR, OURS, THROUGH, TRITON, Sample
from benchmarks.load import Target, wait_until_right
from benchmarks.mesh import EXECUTABLE, open_mesh

HERE: Final = Path(__file__).parent
MODEL: Final = HERE / "model"
Open = Callable[[Path], AbstractContextManager[Target]]
Measure = Callable[[str, int, Target, int, float], Sample]


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Something that serves the model: `open` starts it with a folder for its files.

    `connections`: with how many it is loaded, of those that the plan has; empty: all of them.
    """

    name: str
    title: str
    open: Open
    prepare: Callable[[], object] = lambda: None
    measure: Measure = load.measure
    connections: tuple[int, ...] = ()


@contextlib.contextmanager
def _open(home: Path, command: list[str], port: int, path: str) -> Iterator[Target]:
    env = {"PYTHONPATH": str(MODEL)}
    with processes.running(command, home / "server.log", env, cwd=home) as root:
        target = Target(url=f"http://127.0.0.1:{port}{path}", pid=root.pid)
        wait_until_right(target)
        yield target


def _open_floor(home: Path) -> AbstractContextManager[Target]:
    port = processes.free_port()
    command = [sys.executable, "-m", "uvicorn", "floor:app", "--app-dir", str(HERE / "apps")]
    command += ["--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop"]
    command += ["--http", "httptools", "--no-access-log", "--log-level", "error"]
    return _open(home, command, port, "/score")


def _open_azureml(home: Path) -> AbstractContextManager[Target]:
    port = processes.free_port()
    command = [str(peers.python_of("azureml")), str(HERE / "apps" / "azureml.py")]
    command += ["--entry_script", str(MODEL / "score.py"), "--port", str(port)]
    command += ["--worker_count", "2"]
    return _open(home, command, port, "/score")


def _open_kserve(home: Path) -> AbstractContextManager[Target]:
    port = processes.free_port()
    command = [str(peers.python_of("kserve")), str(HERE / "apps" / "kserve_sdk.py"), str(port)]
    return _open(home, command, port, "/v1/models/iris:predict")


SERVERS: Final = (
    Server(
        name=OURS,
        title="serving-mesh (gateway, broker, worker, runner)",
        open=lambda home: open_mesh(home, EXECUTABLE),
    ),
    Server(name=FLOOR, title="bare Starlette on uvicorn, model inside", open=_open_floor),
    Server(
        name="azureml",
        title="azureml-inference-server-http, 2 workers",
        open=_open_azureml,
        prepare=lambda: peers.python_of("azureml"),
    ),
    Server(
        name="kserve",
        title="KServe SDK",
        open=_open_kserve,
        prepare=lambda: peers.python_of("kserve"),
    ),
    Server(
        name=TRITON,
        title="tritonserver, asked directly",
        open=triton.open_server,
        measure=triton.measure,
        connections=triton.CONNECTIONS,
    ),
    Server(
        name=THROUGH,
        title="the same model repository behind serving-mesh",
        open=lambda home: open_mesh(home, EXECUTABLE, "triton.yaml", triton.PATH, triton.IRIS),
        measure=triton.measure,
        connections=triton.CONNECTIONS,
    ),
)
