"""Real Triton servers for tests: model repositories as text, and the server in the wheel."""

from pathlib import Path

from mesh.settings import WorkerSettings
from workers.triton.install import Models, find
from workers.triton.launch import TritonConfig

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
