"""The programs beside the broker: their commands, their ports, and how they are started.

A test, or another way to run the mesh, hands in a list of its own. Ring: service.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from mesh import lifecycle
from mesh.address import family_of
from mesh.embedded.broker import is_free
from mesh.embedded.child import Facts, Launched, Stage
from mesh.embedded.folder import StateFolder
from mesh.embedded.reaper import Reaper
from mesh.errors import SpecError
from mesh.settings import Settings

READY_LIMIT_BYTES: Final = 65536
MOST_PORT: Final = 65535


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program to keep alive. It says that it serves through `lifecycle.announce`."""

    name: str
    stage: Stage
    command: Sequence[str]


def gateway_name(index: int) -> str:
    """Return what the gateway process of this index is called."""
    return "gateway" if index == 0 else f"gateway-{index + 1}"


def write_settings(folder: StateFolder, settings: Settings) -> list[Program]:
    """Write each program's settings file, and return the programs with their commands."""
    shared = folder.write("settings", settings.to_json(), mode=0o600)
    programs: list[Program] = []
    for index, port in enumerate(gateway_ports(folder, settings)):
        own = msgspec.structs.replace(settings.gateway, port=port)
        name = gateway_name(index)
        path = folder.write(
            f"settings.{name}",
            msgspec.structs.replace(settings, gateway=own).to_json(),
            mode=0o600,
        )
        programs.append(_program(name, "gateway", path))
    return [*programs, _program("scaler", "scaler", shared)]


def gateway_ports(folder: StateFolder, settings: Settings) -> list[int]:
    """Choose each gateway's port, so that it has the same after every restart; none if none runs.

    Raises:
        SpecError: the port that was asked for is taken.
    """
    asked, host = settings.gateway.port, settings.gateway.host
    if settings.gateway.count and asked and not is_free(host, asked):
        raise SpecError(f"gateway.port: value {asked}: it is in use on {host}; 0 takes a free one")
    known = folder.read("ports", dict[str, int]) or {}
    following = iter(range(asked, MOST_PORT + 1))
    taken = {0} | {settings.scaler.port} - {asked}  # the scaler is about to listen there
    chosen: dict[str, int] = {}
    for index in range(settings.gateway.count):
        name = gateway_name(index)
        candidates: Iterable[int] = following if asked else (known.get(name, 0),)
        usable = (port for port in candidates if port not in taken and is_free(host, port))
        chosen[name] = next(usable, None) or free_port(host)
        taken.add(chosen[name])
    folder.write("ports", known | chosen)
    return list(chosen.values())


def free_port(host: str) -> int:
    """Return a port that nobody has now."""
    with socket.socket(family_of(host)) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def launch(program: Program, reaper: Reaper, lifeline: int, log_level: str) -> Launched:
    """Start a program with the life-line, and with a pipe to say that it serves."""
    ready, told = os.pipe()
    environ = child_environ(os.environ, program.name, lifeline=lifeline, ready=told)
    environ[lifecycle.LOG_LEVEL_ENV] = log_level
    try:
        running = reaper.start(program.command, environ=environ, pass_fds=(lifeline, told))
    except OSError:
        os.close(ready)
        raise
    finally:
        os.close(told)
    announced = asyncio.ensure_future(_announced(ready))
    announced.add_done_callback(lambda _: os.close(ready))
    return Launched(running, announced)


def child_environ(
    environ: Mapping[str, str], name: str, *, lifeline: int, ready: int
) -> dict[str, str]:
    """Return the environment of a program: ours, and what `mesh.lifecycle` looks for."""
    return {
        **environ,
        lifecycle.NAME_ENV: name,
        lifecycle.LIFELINE_ENV: str(lifeline),
        lifecycle.READY_ENV: str(ready),
    }


async def _announced(fd: int) -> Facts:
    """Wait for the line a program writes once it serves; for ever if it closes the pipe instead."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        data = os.read(fd, READY_LIMIT_BYTES)  # one write of less than a page comes whole
        loop.remove_reader(fd)
        if data and not told.done():
            told.set_result(data)

    loop.add_reader(fd, read)
    try:
        facts: dict[str, Any] = msgspec.json.decode(await told)
        return facts
    finally:
        loop.remove_reader(fd)


def _program(name: str, stage: Stage, settings: Path) -> Program:
    command = (sys.executable, "-m", stage, "--settings", str(settings))
    return Program(name=name, stage=stage, command=command)
