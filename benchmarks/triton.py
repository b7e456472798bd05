"""A Triton server and its own Python client: what the mesh adds to a request of Triton's.

With one client requests come from `tritonclient.http` in this process, one after another, tensors
as bytes as it sends them by default; with more they come from wrk, as JSON. Both servers are asked
the same. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput

from benchmarks import load, processes
from benchmarks.figures import Sample
from benchmarks.load import Question, Target, wait_until_right
from benchmarks.processes import ServerError
from mesh.settings import WorkerSettings
from workers.triton.install import Models, find
from workers.triton.launch import TritonConfig, server_env

REPOSITORY: Final = Path(__file__).parent / "repository"
MODEL: Final = "iris"
PATH: Final = f"/v2/models/{MODEL}/infer"
CONNECTIONS: Final = (1, 32)
FLOWER: Final = np.array([[5.1, 3.5, 1.4, 0.2]], np.float32)
IRIS: Final = Question(
    body='{"inputs":[{"name":"data","datatype":"FP32","shape":[1,4],"data":[5.1,3.5,1.4,0.2]}]}',
    answer={
        "outputs": [{"name": "predictions", "datatype": "INT64", "shape": [1], "data": [2]}],
    },
)


@contextlib.contextmanager
def open_server(home: Path) -> Iterator[Target]:
    """Serve the repository as a worker would, but over HTTP."""
    found = asyncio.run(find(WorkerSettings(), Models(), home / "backends"))
    config = TritonConfig(
        server=found.server,
        backends=found.backends,
        repository=str(REPOSITORY),
        paths=found.paths,
    )
    port = processes.free_port()
    command = [
        config.server, f"--model-repository={REPOSITORY}", f"--backend-directory={config.backends}",
        "--http-address=127.0.0.1", f"--http-port={port}", "--allow-grpc=false",
        "--allow-metrics=false",
    ]  # fmt: skip
    env = server_env(config, os.environ)
    with processes.running(command, home / "server.log", env, cwd=home) as root:
        url = f"http://127.0.0.1:{port}{PATH}"
        target = Target(url=url, pid=root.pid, question=IRIS)
        wait_until_right(target)
        yield target


def measure(server: str, turn: int, target: Target, connections: int, seconds: float) -> Sample:
    """Load a server once.

    Raises:
        ServerError: a request failed.
    """
    if connections > 1:
        return load.measure(server, turn, target, connections, seconds)
    before_s = processes.cpu_s(target.pid)
    times_s = ask_for(target, seconds)
    cuts_s = statistics.quantiles(times_s, n=100)
    return Sample(
        server=server,
        round=turn,
        connections=1,
        requests_per_s=len(times_s) / sum(times_s),
        p50_ms=cuts_s[49] * 1e3,
        p99_ms=cuts_s[98] * 1e3,
        failed=0,
        cpu_us_per_request=load.cpu_us_per_request(target, before_s, len(times_s)),
    )


def ask_for(target: Target, seconds: float) -> list[float]:
    """Ask with Triton's client for some time; return how long each answer took, in seconds."""
    where = urlsplit(target.url)
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    tensor = InferInput("data", FLOWER.shape, "FP32")
    tensor.set_data_from_numpy(FLOWER)
    times_s: list[float] = []
    with InferenceServerClient(where.netloc + where.path.removesuffix(PATH)) as client:
        end_s = time.perf_counter() + seconds
        while (began_s := time.perf_counter()) < end_s:
            answer = client.infer(MODEL, [tensor], headers=headers)
            times_s.append(time.perf_counter() - began_s)
            if answer.as_numpy("predictions").tolist() != [2]:
                raise ServerError(f"{target.url}: a wrong answer: {answer.get_response()}")
    return times_s
