"""Starting a tritonserver: its command, its environment, its port. Ring: adapter."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import psutil

from mesh.errors import BootError
from mesh.process import die_with_parent
from workers.launch import inherited

HOST: Final = "127.0.0.1"
SHARED_MEMORY: Final = Path("/dev/shm")  # where the python backend keeps its regions


class TritonConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a server runs.

    Its shapes: `server` the binary, `backends` and `repository` folders, `paths` what its libraries
    and the Python of its models are found by, `env` the deployment's variables, `arguments` more
    of the command line.
    """

    server: str
    backends: str
    repository: str
    paths: dict[str, str] = {}
    env: dict[str, str] = {}
    arguments: tuple[str, ...] = ()
    boot_timeout_s: float = 600.0


class Spawned(NamedTuple):
    """A started server. Its ports are bound as long as they are open: nobody else takes them."""

    process: subprocess.Popen[bytes]
    port: socket.socket
    http_port: socket.socket
    region: str

    @property
    def address(self) -> str:
        """Where its gRPC is."""
        return f"{HOST}:{number(self.port)}"


def command(config: TritonConfig, port: int, http_port: int, region: str) -> list[str]:
    """Return the command line. All models are loaded; one that fails is told over gRPC."""
    return [
        config.server,
        f"--model-repository={config.repository}",
        f"--backend-directory={config.backends}",
        "--model-control-mode=explicit",
        "--load-model=*",
        "--exit-on-error=false",
        f"--grpc-address={HOST}",
        f"--grpc-port={port}",
        "--reuse-grpc-port=true",
        f"--http-address={HOST}",
        f"--http-port={http_port}",
        "--reuse-http-port=true",
        "--allow-metrics=false",
        f"--backend-config=python,shm-region-prefix-name={region}",
        *config.arguments,
    ]


def server_env(config: TritonConfig, host: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the server and its models; the deployment's own paths come first.

    Not so PATH: which `python3` is found first decides what packages models have.

    Args:
        config: the deployment's part.
        host: the worker's own environment, of which only harmless names pass.
    """
    env = inherited(host) | config.env
    for name, paths in config.paths.items():
        both = (paths, env.get(name)) if name == "PATH" else (env.get(name), paths)
        env[name] = os.pathsep.join(filter(None, both))
    return env


def spawn(config: TritonConfig) -> Spawned:
    """Start a server.

    Raises:
        BootError: the binary cannot be run.
    """
    remove_strays()
    region = f"{_our_regions()}{os.getpid()}-{uuid.uuid4().hex[:8]}-"
    port, http_port = reserve_port(), reserve_port()
    try:
        process = subprocess.Popen(
            command(config, number(port), number(http_port), region),
            env=server_env(config, os.environ),
            cwd=config.repository,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # takes no lock
            start_new_session=True,  # it is stopped together with the stubs of its Python models
        )
    except OSError as exc:
        port.close()
        http_port.close()
        raise BootError(f"cannot start Triton '{config.server}': {exc.strerror}") from exc
    return Spawned(process, port, http_port, region)


def number(port: socket.socket) -> int:
    """Return the number of a bound port."""
    return int(port.getsockname()[1])


def reserve_port() -> socket.socket:
    """Bind a free port without listening: the server shares it, nobody else gets it."""
    port = socket.socket()
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    port.bind((HOST, 0))
    return port


def clean_up(spawned: Spawned) -> None:
    """Give back what a server that has ended leaves: its ports, its models' shared memory."""
    spawned.port.close()
    spawned.http_port.close()
    for path in SHARED_MEMORY.glob(f"{spawned.region}*"):
        with contextlib.suppress(OSError):
            path.unlink()


def remove_strays() -> None:
    """End the stubs and remove the shared memory of servers whose worker was killed.

    A stub that was busy does not notice that its server has ended.
    """
    ours = _our_regions()
    for path in SHARED_MEMORY.glob(f"{ours}*"):
        pid = path.name.removeprefix(ours).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            _end_stubs(path.name)
            with contextlib.suppress(OSError):
                path.unlink()


def _end_stubs(region: str) -> None:
    for process in psutil.process_iter(["cmdline"]):
        if region in (process.info["cmdline"] or ()):
            with contextlib.suppress(psutil.Error):
                process.kill()


def _our_regions() -> str:
    """The names of regions whose pids are of this namespace: containers may share memory."""
    return f"mesh-{Path('/proc/self/ns/pid').stat().st_ino}-"


def family(pid: int) -> list[int]:
    """Return a process and its children, which here are the stubs of Python models."""
    pids = [pid]
    with contextlib.suppress(OSError):  # it ends while we look
        for task in Path(f"/proc/{pid}/task").iterdir():
            pids += [int(child) for child in (task / "children").read_text().split()]
    return pids
