"""A real mesh with a model that sleeps for as long as it is told, and what the mesh tells of it."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import processes
from benchmarks.mesh import Mesh
from benchmarks.processes import ServerError
from mesh import subjects, wire
from mesh.access import sign_in
from mesh.bus import Bus, Message
from mesh.embedded.folder import BrokerRecord, StateFolder
from mesh.traffic import AccessRecord
from mesh.wire import AccessBatch, Depth, ScaleDecision

EXECUTABLE: Final = Path(sys.executable).parent / "mesh"
ENDPOINT: Final = "sleeper"
SCRIPT: Final = """
import json, time


def init():
    pass


def run(raw_data):
    time.sleep(json.loads(raw_data))
    return "slept"
"""
DEPLOYMENT: Final = """
name: blue
endpoint_name: sleeper
code_configuration: {code: ., scoring_script: score.py}
environment_variables: {WORKER_COUNT: "1"}
"""


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Where the model is asked, with which key, and the mesh behind it."""

    url: str
    key: str
    folder: StateFolder


@contextlib.contextmanager
def serving(home: Path, policy: str) -> Iterator[Door]:
    """Serve the model from a folder of its own; `policy` is added to its YAML.

    Raises:
        ServerError: something did not start.
    """
    (home / "score.py").write_text(SCRIPT)
    (home / "endpoint.yml").write_text(f"{{name: {ENDPOINT}, auth_mode: key}}")
    (home / "blue.yml").write_text(DEPLOYMENT + policy)
    mesh = Mesh(EXECUTABLE, home)
    with processes.running([mesh.executable, "up"], home / "up.log", mesh.env, cwd=home) as root:
        mesh.wait_until_up(root.pid)
        mesh.ask("endpoint", "create", "-f", "endpoint.yml")
        mesh.ask("deployment", "create", "-f", "blue.yml", "--all-traffic")
        yield Door(
            url=f"http://127.0.0.1:{mesh.port}/endpoints/{ENDPOINT}/score",
            key=mesh.ask("endpoint", "get-credentials", "-n", ENDPOINT)["primaryKey"],
            folder=StateFolder(home / "state"),
        )


class Ear:
    """Hears what gateways and the scaler say of the deployment; `ready` is by Unix time."""

    def __init__(self) -> None:
        self.records: list[AccessRecord] = []
        self.decisions: list[ScaleDecision] = []
        self.ready: list[tuple[float, int]] = []
        self._overheads_s: list[float] = []
        self._news = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Ear records={len(self.records)} decisions={len(self.decisions)}>"

    @property
    def slot_overhead_s(self) -> float:
        """What a slot is taken longer than a run takes, on average."""
        return statistics.fmean(self._overheads_s) if self._overheads_s else 0.0

    async def wait_for_records(self, count: int, timeout_s: float) -> None:
        """Return when so many requests were told of, or when nobody tells any more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while len(self.records) < count:
                    self._news.clear()
                    await self._news.wait()

    async def _hear(self, message: Message) -> None:
        if (batch := wire.decode(message.data, AccessBatch)) is not None:
            self.records += batch.records
            self._news.set()
        if (decision := wire.decode(message.data, ScaleDecision)) is not None:
            self.decisions.append(decision)
        if (depth := wire.decode(message.data, Depth)) is not None:
            self.ready.append((time.time(), depth.ready))
            if depth.service.answered:
                self._overheads_s.append(depth.service.slot_s - depth.service.mean_s)

    async def listen(self, bus: Bus) -> None:
        """Hear everything from now on."""
        for subject in (
            subjects.traffic(ENDPOINT),
            subjects.scale(ENDPOINT, "blue"),
            subjects.depth(ENDPOINT, "blue"),
        ):
            await bus.subscribe(subject, self._hear)
        await bus.flush()


@contextlib.asynccontextmanager
async def listening(door: Door) -> AsyncIterator[Ear]:
    """Listen with the right to hear everything."""
    record = door.folder.read("nats", BrokerRecord)
    if record is None:
        raise ServerError("the mesh has no broker")
    bus = await sign_in(record.access("admin"), "bench")
    ear = Ear()
    try:
        await ear.listen(bus)
        yield ear
    finally:
        await bus.close()
