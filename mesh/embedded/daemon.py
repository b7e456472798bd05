"""Running `mesh up` here or in the background, one at a time per state folder.

In the background it is `python -m mesh.embedded`: settings come on stdin, and one line on stdout
says how the start went. Ring: service.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from mesh import loglines
from mesh.embedded.child import NotStartedError
from mesh.embedded.folder import BrokerRecord, MeshRecord, StateFolder
from mesh.embedded.programs import write_settings
from mesh.embedded.reaper import PACKAGES
from mesh.embedded.supervise import OnReady, Programs, supervise
from mesh.errors import MeshError, SpecError, error_class
from mesh.exits import Exit
from mesh.settings import Settings

LOG_LIMIT_BYTES: Final = 16 << 20
TAIL_LINES: Final = 15


class AlreadyRunningError(MeshError):
    """A mesh is running on this state folder."""

    code = "already_running"


class Started(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a start in the background went: the record, or what went wrong."""

    record: MeshRecord | None = None
    code: str = ""
    message: str = ""


def run_here(settings: Settings, on_ready: OnReady, programs: Programs = write_settings) -> int:
    """Run the mesh in this process until it is told to stop; return the exit code.

    Raises:
        AlreadyRunningError: one runs on the state folder already.
        NotStartedError: something did not start.
        SpecError: a setting cannot be had.
    """
    folder = StateFolder(settings.state_dir)
    folder.prepare()
    with folder.lock() as is_ours:
        if not is_ours:
            raise AlreadyRunningError(describe(folder))
        loglines.set_up("mesh", settings.log.level)
        return asyncio.run(supervise(_embedded_again(settings, folder), on_ready, programs))


def run_detached(settings: Settings, module: str = "mesh.embedded") -> MeshRecord:
    """Start the mesh in the background and wait until everything serves.

    Raises:
        MeshError: as `run_here`; nothing runs any more then.
    """
    folder = StateFolder(settings.state_dir)
    folder.prepare()
    with log_file(folder).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=PACKAGES,
            start_new_session=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin, process.stdout:
            process.stdin.write(settings.to_json())
            process.stdin.close()
            said = process.stdout.read()  # it closes its end when it has said how it went
    except BaseException:
        process.send_signal(signal.SIGTERM)
        raise
    if not said:
        process.wait()
        raise NotStartedError(f"`mesh up` ended at once; the end of its log:\n{tail(folder)}")
    started = msgspec.json.decode(said, type=Started)
    if started.record is None:
        process.wait()
        raise _error(started, folder)
    process.returncode = 0  # it lives on, and nobody here waits for it
    return started.record


def detached_main(programs: Programs = write_settings) -> int:
    """Be the background process; return its exit code."""
    settings = Settings.from_json(sys.stdin.buffer.read())
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def say(started: Started) -> None:
        answer.write(msgspec.json.encode(started))
        answer.close()

    try:
        return run_here(settings, lambda record: say(Started(record=record)), programs)
    except MeshError as exc:
        say(Started(code=exc.code, message=str(exc)))
        return Exit.BAD_SETTINGS if isinstance(exc, SpecError) else Exit.NOT_STARTED


def describe(folder: StateFolder) -> str:
    """Say who holds the folder and where it listens."""
    mesh = folder.mesh()
    if mesh is None:
        return f"a mesh is running on {folder.path}"
    urls = ", ".join(one.url for one in mesh.programs if one.url)
    return f"a mesh is running on {folder.path}: pid {mesh.pid}, {urls or 'starting'}"


def log_file(folder: StateFolder) -> Path:
    """Return the log of a mesh in the background; a long one is set aside first."""
    path = folder.logs / "mesh.log"
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES and not folder.is_held():
        path.replace(path.with_name("mesh.log.1"))
    return path


def tail(folder: StateFolder) -> str:
    """Return the last lines of the log."""
    try:
        lines = (folder.logs / "mesh.log").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-TAIL_LINES:])


def _embedded_again(settings: Settings, folder: StateFolder) -> Settings:
    """`mesh nats env` exports NATS_URL: our own broker's address does not make it a foreign one."""
    known = folder.read("nats", BrokerRecord)
    if known is None or not known.embedded or settings.nats.url != known.url:
        return settings
    return msgspec.structs.replace(settings, nats=msgspec.structs.replace(settings.nats, url=""))


def _error(started: Started, folder: StateFolder) -> MeshError:
    if started.code == AlreadyRunningError.code:
        return AlreadyRunningError(started.message)
    if started.code == NotStartedError.code:
        return NotStartedError(f"{started.message}; see {folder.logs / 'mesh.log'}")
    return error_class(started.code)(started.message)
