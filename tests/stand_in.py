"""Programs that only live, for tests of `mesh up` that need neither a real gateway nor a scaler.

`python -m tests.stand_in` is `mesh up` in the background with stand-ins; with `--settings` it is
one of them: it says that it serves, starts `--workers` children as the scaler starts workers, and
waits until it is told to stop.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mesh import lifecycle
from mesh.embedded.daemon import detached_main
from mesh.embedded.folder import StateFolder
from mesh.embedded.programs import Program
from mesh.exits import Exit
from mesh.jsonfile import write_record
from mesh.process import Identity
from mesh.settings import Settings, read_settings


def stand_ins(folder: StateFolder, settings: Settings) -> Sequence[Program]:
    """A gateway, and a scaler with one worker; the gateway is as STAND_IN_GATEWAY says."""
    path = folder.write("settings", settings.to_json(), mode=0o600)
    command = (sys.executable, "-m", "tests.stand_in", "--settings", str(path))
    if os.environ.get("STAND_IN_GATEWAY") == "broken":
        broken = (sys.executable, "-c", "raise SystemExit(2)")
        return [Program(name="gateway", stage="gateway", command=broken)]
    return [
        Program(name="gateway", stage="gateway", command=command),
        Program(name="scaler", stage="scaler", command=(*command, "--workers", "1")),
    ]


def start_worker(settings: Settings, index: int) -> None:
    """Start a worker once: one that survived an earlier scaler is left alone."""
    record = Path(settings.state_dir) / "workers" / f"e.d.{index}.json"
    if any(one.is_alive() for one in StateFolder(settings.state_dir).instances()):
        return
    reader, writer = os.pipe()
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.stand_in", "--worker", str(writer)],
        start_new_session=True,
        pass_fds=(writer, *lifecycle.lifeline_fds()),
        env=os.environ | {lifecycle.NAME_ENV: "worker"},
    )
    write_record(record, Identity.of(worker.pid))
    os.read(reader, 1)


async def work(stop: asyncio.Event, ready: int) -> int:
    """Say that it runs, and live until told to stop."""
    os.write(ready, b"1")
    await stop.wait()
    return Exit.CLEAN


async def serve(stop: asyncio.Event, options: argparse.Namespace) -> int:
    """Announce, and live until told to stop."""
    settings = read_settings(options.settings)
    for index in range(options.workers):
        start_worker(settings, index)
    lifecycle.announce(settings, "stand-in", url=f"http://pid-{os.getpid()}")
    await stop.wait()
    if os.environ.get("STAND_IN_GATEWAY") == "stubborn" and lifecycle.name("") == "gateway":
        await asyncio.Event().wait()
    return Exit.CLEAN


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--worker", type=int)
    options = parser.parse_args()
    if options.worker:
        return lifecycle.run("worker", lambda stop: work(stop, options.worker))
    if options.settings:
        return lifecycle.run("stand-in", lambda stop: serve(stop, options))
    return detached_main(stand_ins)


if __name__ == "__main__":
    sys.exit(main())
