"""The life of a runner process: boot the script, say so, serve, leave. Ring: service."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import inspect
import os
import resource
import socket
import sys
from typing import Any, Iterator

from . import adapt, frames
from .cell import Cell
from .console import Console
from .script import Script, describe, load
from .serial import SerialLoop

BOOT_FAILED = 3


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


def live(sock_fd: int, cell_fd: int, path: str) -> None:
    """Serve the script at `path` until the supervisor says stop or goes away."""
    faulthandler.enable(2)  # the last words of a crash, and of a runner aborted at its deadline
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    life = Life(sock_fd, cell_fd)
    sys.argv = [path]
    ours = list(sys.path)
    try:
        with life.booting():
            script = load(path)
        (_serve_tasks if script.is_async else _serve_serial)(life, script, ours)
    finally:
        life.sock.close()  # threads of the user's may keep the process for a while


def _serve_serial(life: Life, script: Script, _: list[str]) -> None:
    with life.booting():
        script.init()
    life.say_ready(is_async=False)
    SerialLoop(life.sock, life.cell, life.console, adapt.caller(script)).serve()


def _serve_tasks(life: Life, script: Script, ours: list[str]) -> None:
    theirs, sys.path[:] = list(sys.path), ours
    asyncio: Any = importlib.import_module("asyncio")  # its modules, not the user's of like names
    from .tasks import TaskLoop  # noqa: PLC0415  # sync scripts do without asyncio

    sys.path[:] = theirs

    async def serve() -> None:
        with life.booting():
            started = script.init()
            if inspect.isawaitable(started):
                await started
        loop = TaskLoop(life.sock, life.cell, life.console, adapt.caller(script))
        life.say_ready(is_async=True)
        await loop.serve()

    asyncio.run(serve())
