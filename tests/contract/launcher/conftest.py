"""The launchers of the contract. Another one is a `Subject`, and a line in `SUBJECTS`."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh.gpus import Gpus
from mesh.subjects import WorkerAddress
from scaler.launchers import Ended, Launcher
from scaler.launchers.assignment import Machine
from scaler.launchers.process import ProcessLauncher
from scaler.launchers.watcher import Watcher
from tests.contract.launcher.tiny import Engine, TinyLauncher

# What the instances of a deployment do, by its name. Each says a line once it can be asked to end.
PROGRAMS = {
    "lives": "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(0))\n",
    "stubborn": "import signal\nsignal.signal(15, signal.SIG_IGN)\n",
    "hungry": "kept = b'x' * (256 << 20)\n",
}
STAYS = "import signal\nopen({gate!r}, 'w').close()\nwhile True: signal.pause()\n"
ENDS = "import sys\nprint('so long', flush=True)\nsys.exit(7)\n"


class Subject:
    """A kind of launcher under test: makes them one after another over the same instances."""

    holds_memory = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ends: asyncio.Queue[tuple[Ended, bool]] = asyncio.Queue()
        self.current: Launcher | None = None

    def code_of(self, address: WorkerAddress) -> str:
        """The Python program of an instance; empty for one that cannot start."""
        if address.deployment == "ends":
            return ENDS
        if (before := PROGRAMS.get(address.deployment)) is None:
            return ""
        if not self._gate(address).exists():
            os.mkfifo(self._gate(address))
        return before + STAYS.format(gate=str(self._gate(address)))

    def make(self) -> Launcher:
        """A launcher that has adopted what runs."""
        raise NotImplementedError

    def launcher(self) -> Launcher:
        """The next launcher; one is in charge at a time."""
        self.current = self.make()
        return self.current

    def note(self, ended: Ended) -> None:
        """Keep an end, and whether the instance was still said to run when it was told."""
        addresses = [one.address for one in self.current.running()] if self.current else []
        self.ends.put_nowait((ended, ended.running.address in addresses))

    async def ended(self) -> Ended:
        """The next end."""
        return (await self.ends.get())[0]

    async def can_be_asked(self, address: WorkerAddress) -> None:
        """Wait until an instance handles signals."""
        await asyncio.to_thread(self._gate(address).read_bytes)

    async def close(self) -> None:
        """End everything."""
        launcher = self.current or self.launcher()
        for running in launcher.running():
            launcher.kill(running.address)
            await self.ends.get()
        await launcher.close()

    def _gate(self, address: WorkerAddress) -> Path:
        return self.folder / f"{address.instance}.up"


class ProcessSubject(Subject):
    """Processes of this machine."""

    def make(self) -> Launcher:
        """Over the same state folder."""
        machine = Machine(cpus=(0, 1), memory_bytes=8 << 30, gpus=Gpus(reason="none here"))
        launcher = ProcessLauncher(
            self.folder / "state", self._command, self.note, machine, Watcher()
        )
        launcher.adopt()
        return launcher

    def _command(self, address: WorkerAddress, generation: int) -> list[str]:
        code = self.code_of(address)
        return [sys.executable if code else "/no/such/program", "-c", code, *address]


class TinySubject(Subject):
    """Jobs of an engine in this process."""

    holds_memory = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._engine = Engine()

    def make(self) -> Launcher:
        """Over the same engine."""
        return TinyLauncher(self._engine, self.code_of, self.note)


SUBJECTS = [
    pytest.param(ProcessSubject, id="process"),
    pytest.param(TinySubject, id="tiny"),
]


@pytest.fixture(params=SUBJECTS)
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    """One kind of launcher; its instances end with the test."""
    subject: Subject = request.param(tmp_path)
    yield subject
    await subject.close()
