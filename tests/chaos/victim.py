"""A mesh to be hurt: two gateways, two workers, and a model that writes down what it runs."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from mesh.access import sign_in
from mesh.bus import Bus
from mesh.embedded.folder import BrokerRecord, ProgramView
from mesh.embedded.programs import free_port
from mesh.process import Identity
from tests.chaos.load import Door
from tests.chaos.programs import plan
from tests.chaos.programs.plan import PLAN_ENV
from tests.chaos.programs.up import READY
from tests.e2e.person import Person

RUN_S = 0.02
RUNNERS = 6
WAIT_S = 20.0
POLL_S = 0.02
SCRIPT = f"""
import json, os, signal, time

LOG = os.open(os.environ["CHAOS_RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def note(request_id, event):
    run = {{"id": request_id, "event": event, "pid": os.getpid(), "at_s": time.monotonic()}}
    os.write(LOG, json.dumps(run).encode() + b"\\n")


def init():
    pass


def run(raw_data):
    asked = json.loads(raw_data)
    note(asked["id"], "begin")
    if asked.get("poison"):
        os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep({RUN_S})
    note(asked["id"], "end")
    return {{"id": asked["id"], "more": "x" * asked.get("more", 0)}}
"""

_T = TypeVar("_T")


class Victim(Person):
    """A mesh that is started with something odd about it, and asked how it is."""

    def __init__(self, folder: Path, environ: dict[str, str] | None = None):
        super().__init__(folder)
        self.nats_port = free_port("127.0.0.1")
        self.runs = folder / "runs.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self.environ |= {
            PLAN_ENV: str(folder / plan.FILE),
            "MESH_NATS__PORT": str(self.nats_port),
            "MESH_GATEWAY__COUNT": "2",
            **(environ or {}),
        }

    def up(self) -> subprocess.Popen[bytes]:
        """Start it, and return when it serves."""
        self.state.logs.mkdir(parents=True, exist_ok=True)
        with (self.folder / "up.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.programs.up"],
                cwd=self.folder,
                env=self.environ,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        process.stderr = open(os.devnull, "rb")  # noqa: SIM115 - `Person.close` closes it
        self.shown.append(process)
        if process.stdout.readline().strip() != READY.encode():
            raise AssertionError((self.folder / "up.log").read_text())
        return process

    def serve(self, more: str = "", runners: int = RUNNERS, instances: int = 2) -> Door:
        """Deploy the model, and say how it is reached."""
        said = {"WORKER_COUNT": str(runners), "CHAOS_RUNS": str(self.runs)}
        settings = {"max_concurrent_requests_per_instance": runners}
        lines = (
            f"environment_variables: {json.dumps(said)}",
            f"request_settings: {settings}",
            more,
        )
        self.deploy(SCRIPT, instances=instances, more="\n".join(lines))
        done = self.mesh("nats", "user", "create", "-e", "echo", "-o", "json")
        assert done.returncode == 0, done.stderr
        producer = json.loads(done.stdout)
        return Door(
            ports=[urlsplit(one.url).port for one in self.programs("gateway")],
            key=self.key,
            nats_url=producer["url"],
            user=producer["name"],
            password=producer["password"],
            inbox=producer["inbox_prefix"],
        )

    def programs(self, name: str) -> list[ProgramView]:
        """The programs whose name starts so."""
        return [one for one in self.state.mesh().programs if one.name.startswith(name)]

    def program(self, name: str) -> Identity:
        """The present process of one program."""
        one = self.programs(name)[0]
        return Identity(pid=one.pid, create_time=one.create_time)

    def workers(self) -> list[Identity]:
        """The workers there are, the oldest first."""
        return sorted(
            (one for one in self.state.instances() if one.is_alive()),
            key=lambda one: one.create_time,
        )

    def odd(self, role: str) -> Identity:
        """The process that is the odd one of its role."""
        pid = int(plan.claimed(self.folder, role).read_text())
        return Identity.of(pid)

    def runners(self, worker: Identity) -> list[Identity]:
        """The runners of a worker."""
        listed = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
        found = [Identity.of(int(pid)) for pid in listed]
        return [one for one in found if one is not None]

    async def admin(self) -> Bus:
        """A connection that may do everything."""
        record = self.state.read("nats", BrokerRecord)
        return await sign_in(record.access("admin"), "chaos", WAIT_S)

    async def until(self, ask: Callable[[], _T], limit_s: float = WAIT_S) -> _T:
        """Wait until the answer is true."""
        until_s = time.monotonic() + limit_s
        while not (said := ask()):
            assert time.monotonic() < until_s, f"waited in vain for {ask}"
            await asyncio.sleep(POLL_S)
        return said

    def log_text(self, name: str) -> str:
        """What all logs whose name matches say."""
        return "".join(
            path.read_text(errors="replace")
            for path in (*self.state.logs.glob(name), *self.folder.glob(name))
        )

    def close(self) -> None:
        """End it as a person would, then leave nothing behind."""
        for process in self.shown:
            process.send_signal(signal.SIGTERM)
        for process in self.shown:
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
        super().close()
