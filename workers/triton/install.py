"""Where tritonserver and its backends are: named by the operator, installed, or in a wheel.

The `nvidia-pytriton` wheel carries the binary; it is located, never imported. Its python backend is
copied beside the stub of the wanted Python version, as the server expects it. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

from mesh.errors import BootError
from mesh.settings import WorkerSettings
from workers.launch import inherited
from workers.triton.home import Interpreter, make_home

WHEEL: Final = "nvidia-pytriton"
USUAL: Final = "/opt/tritonserver/bin/tritonserver"
MISSING: Final = (
    "no tritonserver found: set worker.triton_server (and worker.triton_backends), put it on PATH, "
    "or pip install --no-deps nvidia-pytriton"
)
ASK: Final = """
import json, sys, sysconfig
try:
    from importlib import metadata
    numpy = metadata.version("numpy")
except Exception:
    numpy = ""
paths = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
program = getattr(sys, "_base_executable", sys.executable)
version = list(sys.version_info[:2])
print(json.dumps([version, sysconfig.get_config_var("LIBDIR"), paths, numpy, program]))
"""
ASK_S: Final = 30.0
OLD_NUMPY: Final = (
    "warning: numpy {numpy}: the python backend of nvidia-pytriton knows numpy 1 only; with this "
    "one as_numpy() and Tensor(name, array) give wrong values. Use to_dlpack() and from_dlpack(), "
    "or numpy<2: of an interpreter that has it (mesh.python), or of a folder in PYTHONPATH "
    "(environment_variables)"
)


class Installation(NamedTuple):
    """A server, its backends, and the paths its processes find libraries and packages by."""

    server: str
    backends: str
    paths: dict[str, str]
    warning: str = ""


class Models(NamedTuple):
    """What Python models are given: an interpreter's packages, behind a PYTHONPATH of their own."""

    python: str | None = None
    path: str = ""


async def find(settings: WorkerSettings, models: Models, folder: Path) -> Installation:
    """Find the server.

    Args:
        settings: what the operator says.
        models: the deployment's part.
        folder: where to keep what has to be copied.

    Raises:
        BootError: there is none, or it does not fit the interpreter.
    """
    server = _installed(settings)
    if server is not None:
        paths = {}
        if models.python is not None:
            paths = await _package_paths(await ask_interpreter(models), models, folder)
        return Installation(server, _backends_of(server, settings), paths)
    wheel = _wheel()
    if wheel is None:
        raise BootError(MISSING)
    return await _from_wheel(wheel, settings, models, folder)


def _installed(settings: WorkerSettings) -> str | None:
    if named := settings.triton_server:
        if (found := shutil.which(named)) is None:
            raise BootError(f"worker.triton_server: {named!r}: there is no such program")
        return found
    return shutil.which("tritonserver") or shutil.which(USUAL)


def _backends_of(server: str, settings: WorkerSettings) -> str:
    beside = Path(server).resolve().parents[1] / "backends"
    backends = settings.triton_backends or str(beside)
    if not Path(backends).is_dir():
        raise BootError(f"worker.triton_backends: {backends!r}: there is no such folder")
    return backends


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "tritonserver"
    return folder if (folder / "bin" / "tritonserver").is_file() else None


async def _from_wheel(
    wheel: Path, settings: WorkerSettings, models: Models, folder: Path
) -> Installation:
    interpreter = await ask_interpreter(models)
    backends = settings.triton_backends
    if not backends:
        minor = ".".join(map(str, interpreter.version))
        stub = wheel / "python_backend_stubs" / minor / "triton_python_backend_stub"
        if not stub.is_file():
            raise BootError(f"mesh.python: Python {minor}: {WHEEL} has no stub for it")
        copy = folder / f"{metadata.version(WHEEL)}-py{minor}"
        backends = str(await asyncio.to_thread(copy_backends, wheel, stub, copy))
    libraries = wheel.parents[1] / "nvidia_pytriton.libs"
    paths = await _package_paths(interpreter, models, folder)
    paths["LD_LIBRARY_PATH"] = f"{libraries}:{interpreter.library_dir}"
    numpy = interpreter.numpy
    warning = OLD_NUMPY.format(numpy=numpy) if numpy and int(numpy.split(".")[0]) > 1 else ""
    return Installation(str(wheel / "bin" / "tritonserver"), backends, paths, warning)


async def _package_paths(interpreter: Interpreter, models: Models, folder: Path) -> dict[str, str]:
    """Return what models find an interpreter's packages by; which of the two depends on Python."""
    home = await asyncio.to_thread(make_home, interpreter, models.path, folder)
    return {"PATH": str(home / "bin"), "PYTHONPATH": ":".join(interpreter.packages)}


def copy_backends(wheel: Path, stub: Path, folder: Path) -> Path:
    """Put the wheel's backends and a stub into `folder`, whole or not at all; return it."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent))
    shutil.copytree(wheel / "backends", fresh, dirs_exist_ok=True)
    shutil.copy2(stub, fresh / "python")
    try:
        fresh.rename(folder)
    except OSError:  # another instance was faster
        shutil.rmtree(fresh)
    return folder


async def ask_interpreter(models: Models) -> Interpreter:
    """Ask a Python where its packages are.

    Raises:
        BootError: it cannot be run, or is none.
    """
    python = models.python or sys.executable
    env = inherited(os.environ) | ({"PYTHONPATH": models.path} if models.path else {})

    def ask() -> bytes:
        done = subprocess.run(
            [python, "-c", ASK], capture_output=True, env=env, timeout=ASK_S, check=True
        )
        return done.stdout

    try:
        version, library_dir, *rest = json.loads(await asyncio.to_thread(ask))
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        raise BootError(
            f"mesh.python: {python!r}: cannot be asked for its packages: {exc}"
        ) from exc
    return Interpreter((version[0], version[1]), library_dir or "", *rest)
