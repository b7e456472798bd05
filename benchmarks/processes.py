"""Starting servers as processes, finding their memory and CPU, and ending them. Ring: adapter."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

STOP_S = 40.0
PR_SET_PDEATHSIG = 1


class ServerError(Exception):
    """A server did not start, answered wrongly or left processes behind."""


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the benchmark itself dies. Runs in the child, before exec."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path
) -> Iterator[psutil.Process]:
    """Run a server; end it and all its children on the way out.

    Raises:
        ServerError: processes of its tree outlived it.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=cwd,
            env={**os.environ, **env},
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - the benchmark starts no threads
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        _stop(process, log)


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    family = tree(process.pid)
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, left = psutil.wait_procs(family, timeout=5)
    for orphan in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            orphan.kill()
    if left:
        names = ", ".join(f"{orphan.pid} {' '.join(command(orphan))}" for orphan in left)
        raise ServerError(f"left behind after SIGTERM (log: {log}): {names}")


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants; nothing if it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def command(process: psutil.Process) -> list[str]:
    """Return the command line, or nothing if the process is gone."""
    try:
        words: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return words


def cpu_s(pid: int) -> dict[str, float]:
    """Return the CPU seconds that the processes of a tree have used, by what they run."""
    used: dict[str, float] = {}
    for process in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            name = role(command(process))
            used[name] = used.get(name, 0.0) + times.user + times.system
    return used


def resident_mib(pid: int) -> dict[str, float]:
    """Return the resident memory of each process of a tree, by what it runs."""
    sizes: dict[str, float] = {}
    for process in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            name = role(command(process))
            sizes[name] = max(sizes.get(name, 0.0), process.memory_info().rss / (1 << 20))
    return sizes


def role(words: Sequence[str]) -> str:
    """Name what a command line runs: a module after `-m`, a runner, or the executable."""
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    scripts = [Path(word).name for word in words[1:2] if "/" in word and word[0] != "-"]
    return scripts[0] if scripts else Path(words[0]).name if words else "gone"
