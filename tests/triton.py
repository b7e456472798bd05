"""Real Triton servers for tests: model repositories as text, and the server in the wheel."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import httpx

from mesh.embedded.programs import free_port
from mesh.settings import WorkerSettings
from workers.triton.install import Models, find
from workers.triton.launch import SHARED_MEMORY, TritonConfig, command, server_env

# The stub in the wheel knows numpy 1 only: tensors go through DLPack, which does not depend on it.
ECHO = """
import os, time
import numpy as np
import triton_python_backend_utils as pb

def answer(request):
    x = pb.get_input_tensor_by_name(request, "x")
    value = np.from_dlpack(x).ravel()
    first = float(value[0]) if value.size else 0.0
    print("began", first, flush=True)
    if first == -1.0:
        raise ValueError("no negatives, please")
    if first == -2.0:
        os.kill(os.getppid(), 9)
    if first == -4.0:
        os._exit(1)
    if first == -3.0:
        while not os.path.exists(os.environ["GATE"]): time.sleep(0.002)
    return pb.InferenceResponse([pb.Tensor.from_dlpack("y", x)])

def guarded(request):
    try:
        return answer(request)
    except ValueError as exc:
        return pb.InferenceResponse(error=pb.TritonError(str(exc)))

class TritonPythonModel:
    def initialize(self, args):
        print("loaded", args["model_name"], flush=True)
        if os.path.exists(os.environ.get("BROKEN", "/no/such/file")):
            raise ValueError("no such weights")
    def execute(self, requests):
        return [guarded(request) for request in requests]
"""
CONFIG = """
backend: "python"
input {{ name: "x" data_type: {kind} dims: {dims} }}
output {{ name: "y" data_type: {kind} dims: {dims} }}
{more}
"""


def write_model(
    repository: Path,
    name: str = "echo",
    *,
    kind: str = "TYPE_FP32",
    dims: str = "[-1]",
    more: str = "",
    code: str = ECHO,
) -> Path:
    """Put a model into a repository; return the repository."""
    folder = repository / name / "1"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(code)
    (repository / name / "config.pbtxt").write_text(CONFIG.format(kind=kind, dims=dims, more=more))
    return repository


async def triton_config(folder: Path, repository: Path, **env: str) -> TritonConfig:
    """What starts the wheel's server over a repository; `folder` keeps its backends."""
    found = await find(WorkerSettings(), Models(), folder)
    return TritonConfig(
        server=found.server,
        backends=found.backends,
        repository=str(repository),
        paths=found.paths,
        env={"PYTHONDONTWRITEBYTECODE": "1", **env},
    )


class RunningTriton:
    """A server that is not the worker's: somebody else starts it, and may end it."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.said = folder / "triton.log"
        self._grpc, self._http = free_port("127.0.0.1"), free_port("127.0.0.1")
        self._config = asyncio.run(triton_config(folder / "backends", repository))
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"127.0.0.1:{self._grpc}"
        self.url = f"http://127.0.0.1:{self._http}"

    def start(self) -> None:
        """Start it, its HTTP port open, and wait until it serves every model."""
        with self.said.open("ab") as said:
            self._process = subprocess.Popen(
                command(self._config, self._grpc, self._http, f"mesh-test-{self._grpc}-"),
                env=server_env(self._config, os.environ),
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/v2/health/ready").is_success:
                    return
            assert self._process.poll() is None, self.said.read_text()
            time.sleep(0.02)  # it says it to those who ask, and only then
        raise AssertionError(self.said.read_text())

    def send(self, sig: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(sig)

    def kill(self) -> None:
        """End it and its stubs, if it runs."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        for left in SHARED_MEMORY.glob(f"mesh-test-{self._grpc}-*"):
            left.unlink()
