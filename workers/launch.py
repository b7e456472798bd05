"""Starting a runner process: its environment, its channels, and the promise that it dies with us.

The user's code sees a clean environment: the deployment's own variables on top of a few of the
host's, and none of the mesh's. Ring: adapter.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from mesh.errors import BootError
from mesh.process import THREADS, die_with_parent
from mesh.spec.options import Device
from workers.runner.cell import CELL_BYTES, Cell

RUNNER: Final = Path(__file__).with_name("runner")
SOCKET_BUFFER_BYTES: Final = 1 << 20
INHERITED: Final = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        *THREADS,
    }
)
INHERITED_PREFIXES: Final = ("LC_", "CUDA_", "NVIDIA_")
NO_BYTECODE: Final = {"PYTHONDONTWRITEBYTECODE": "1"}  # instances share the fetched folders


class Tensors(msgspec.Struct, frozen=True, kw_only=True):
    """What a runner that is asked with arrays must know."""

    device: Device
    model_name: str


class RunnerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a runner process runs.

    Its shapes: `python` an interpreter, `script` an absolute path, `code_dir` the working folder
    (the script's own if empty), `env` the deployment's variables. With `hard_timeout` a runner is
    stopped when a request past its deadline has kept it for `run_limit_s` and cannot be cancelled,
    with `cancel_grace_s` so long after the caller of what a sync script runs has gone.
    `tensors` is None for a script that takes text.
    """

    python: str
    script: str
    code_dir: str = ""
    model_dir: str = ""
    env: dict[str, str] = {}
    boot_timeout_s: float = 600.0
    hard_timeout: bool = True
    run_limit_s: float = 0.0
    cancel_grace_s: float | None = None
    tensors: Tensors | None = None


class Spawned(NamedTuple):
    """A started process and our ends of its channels; the socket does not block."""

    process: subprocess.Popen[bytes]
    sock: socket.socket
    cell: Cell


def inherited(host: Mapping[str, str]) -> dict[str, str]:
    """Return what of the worker's own environment its processes may see."""
    return {
        name: value
        for name, value in host.items()
        if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }


def runner_env(config: RunnerConfig, host: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the user's code.

    Args:
        config: the deployment's part.
        host: the worker's own environment, of which only harmless names pass.
    """
    env = inherited(host) | config.env
    env["AZUREML_ENTRY_SCRIPT"] = config.script
    env["AML_APP_ROOT"] = _code_dir(config)
    if config.model_dir:
        env["AZUREML_MODEL_DIR"] = config.model_dir
    return env


def spawn(config: RunnerConfig) -> Spawned:
    """Start a runner process.

    Raises:
        BootError: the interpreter or the code folder cannot be used.
    """
    ours, theirs = socket.socketpair()
    cell_fd = os.memfd_create("runner-cell")
    try:
        os.ftruncate(cell_fd, CELL_BYTES)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        fds = (theirs.fileno(), cell_fd)
        process = subprocess.Popen(
            [config.python, str(RUNNER), *map(str, fds), config.script, *_options(config)],
            cwd=_code_dir(config),
            env=runner_env(config, os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=fds,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # takes no lock
            start_new_session=True,  # it is stopped together with processes of the user's own
        )
        cell = Cell(cell_fd)
    except OSError as exc:
        ours.close()
        at = "" if exc.filename in (None, config.python) else f": {exc.filename}"
        raise BootError(f"cannot start Python '{config.python}': {exc.strerror}{at}") from exc
    finally:
        theirs.close()
        os.close(cell_fd)
    ours.setblocking(False)
    return Spawned(process, ours, cell)


def _options(config: RunnerConfig) -> list[str]:
    return [msgspec.json.encode(config.tensors).decode()] if config.tensors else []


def _code_dir(config: RunnerConfig) -> str:
    return config.code_dir or str(Path(config.script).parent)
