"""The life of a runner process: boot the script, say so, serve, leave. Ring: service."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import inspect
import json
import os
import resource
import socket
import sys
from typing import Any, Iterator

from . import frames
from .adapt import Form, text_form
from .cell import Cell
from .console import Console
from .script import Script, ScriptError, describe, load
from .serial import SerialLoop

BOOT_FAILED = 3
PACKAGES = {"cupy": "cupy-cuda12x"}  # where it is not that of the module


class Life:
    """What both kinds of script need: the channel to the supervisor and the console."""

    def __init__(self, sock_fd: int, cell_fd: int) -> None:
        for fd in (sock_fd, cell_fd):
            os.set_inheritable(fd, False)  # the user's own children shall not hold them
        self.sock = socket.socket(fileno=sock_fd)
        os.register_at_fork(after_in_child=self.sock.close)  # a fork that comes back from run()
        self.cell = Cell(cell_fd)
        os.close(cell_fd)  # the mapping has its own
        self.console = Console()
        self.console.install()

    def say_ready(self, *, is_async: bool) -> None:
        """Tell the supervisor that requests may come."""
        self.console.end_lines()
        self.sock.sendall(frames.head(frames.READY, status=int(is_async)))

    @contextlib.contextmanager
    def booting(self) -> Iterator[None]:
        """Tell the supervisor why the script did not boot, whatever it raised, and end."""
        try:
            yield
        except BaseException as exc:  # sys.exit() in the script included
            text = describe(exc)
            self.console.end_lines()
            sys.stderr.write(text + "\n")
            body = text.encode("utf-8", "backslashreplace")
            self.sock.sendall(frames.head(frames.FAILED, body_bytes=len(body)) + body)
            os._exit(BOOT_FAILED)


def live(sock_fd: int, cell_fd: int, path: str, options: str = "") -> None:
    """Serve the script at `path` until the supervisor says stop or goes away.

    Args:
        sock_fd: the channel to the supervisor.
        cell_fd: the shared memory cell.
        path: the script.
        options: empty for a script that takes text; else what `workers.launch` says, as JSON.
    """
    faulthandler.enable(2)  # the last words of a crash, and of a runner aborted at its deadline
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    life = Life(sock_fd, cell_fd)
    sys.argv = [path]
    ours = list(sys.path)
    try:
        with life.booting():
            script = load(path)
            with _path(ours):
                form = _tensor_form(script, **json.loads(options)) if options else text_form(script)
        (_serve_tasks if script.is_async else _serve_serial)(life, script, form, ours)
    finally:
        life.sock.close()  # threads of the user's may keep the process for a while


@contextlib.contextmanager
def _path(ours: list[str]) -> Iterator[None]:
    """Import our modules and theirs, not the user's of like names."""
    theirs, sys.path[:] = list(sys.path), ours
    try:
        yield
    finally:
        sys.path[:] = theirs


def _tensor_form(script: Script, device: str, model_name: str) -> Form:
    with _needed("numpy", "mesh.inputs: tensors"):
        from . import infer  # noqa: PLC0415  # scripts that take text do without numpy
    place = infer.HOST
    if device == "cuda":
        with _needed("cupy", "mesh.inputs: tensors with mesh.device: cuda"):
            from . import cuda  # noqa: PLC0415  # and others without cupy
        place = cuda.device()
    return infer.tensor_form(script, model_name, place)


@contextlib.contextmanager
def _needed(name: str, by: str) -> Iterator[None]:
    """Say which package the script's interpreter lacks, and how it is installed there."""
    try:
        yield
    except ModuleNotFoundError as exc:
        if exc.name != name:
            raise
        package = PACKAGES.get(name, name)
        text = f"{by} needs {name}, which {sys.executable} lacks: "
        raise ScriptError(text + f"{sys.executable} -m pip install {package}") from None


def _serve_serial(life: Life, script: Script, form: Form, _: list[str]) -> None:
    with life.booting():
        script.init()
    life.say_ready(is_async=False)
    SerialLoop(life.sock, life.cell, life.console, form).serve()


def _serve_tasks(life: Life, script: Script, form: Form, ours: list[str]) -> None:
    with _path(ours):
        asyncio: Any = importlib.import_module("asyncio")
        from .tasks import TaskLoop  # noqa: PLC0415  # sync scripts do without asyncio

    async def serve() -> None:
        with life.booting():
            started = script.init()
            if inspect.isawaitable(started):
                await started
        loop = TaskLoop(life.sock, life.cell, life.console, form)
        life.say_ready(is_async=True)
        await loop.serve()

    asyncio.run(serve())
