"""The smallest launcher: it asks an engine that outlives it, as one for containers would."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from mesh.subjects import WorkerAddress
from scaler.launchers import NOTHING, Ended, LaunchError, Need, OnEnded, Running


class Engine:
    """Runs programs, keeps what they print, and tells whoever listens when one has ended."""

    def __init__(self) -> None:
        self.jobs: dict[WorkerAddress, tuple[subprocess.Popen[bytes], Running]] = {}
        self.listener: Callable[[WorkerAddress, int, str], None] = lambda *_: None

    def start(self, code: str, running: Running) -> Running:
        """Run Python code."""
        job = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        told = replace(running, pid=job.pid)
        self.jobs[running.address] = (job, told)
        threading.Thread(target=self._wait, args=(running.address, job), daemon=True).start()
        return told

    def _wait(self, address: WorkerAddress, job: subprocess.Popen[bytes]) -> None:
        words, _ = job.communicate()
        del self.jobs[address]
        self.listener(address, job.returncode, words.decode().rstrip())


class TinyLauncher:
    """Instances as jobs of an engine."""

    limits = "not held: the engine cannot"

    def __init__(
        self, engine: Engine, code_of: Callable[[WorkerAddress], str], on_ended: OnEnded
    ) -> None:
        self._engine = engine
        self._code_of = code_of
        self._on_ended = on_ended
        self._loop = asyncio.get_running_loop()
        self._known = {address: running for address, (_, running) in engine.jobs.items()}
        engine.listener = lambda *told: self._loop.call_soon_threadsafe(self._end, *told)

    def running(self) -> Sequence[Running]:
        """Every job that has not been told to have ended."""
        return list(self._known.values())

    def lacks(self, need: Need) -> str:
        """It has no GPUs."""
        return "no GPU: the engine has none" if need.wants_gpu else ""

    def short(self, need: Need) -> str:
        """It holds to nothing, so nobody gets less."""
        return ""

    def launch(self, address: WorkerAddress, generation: int, need: Need = NOTHING) -> None:
        """Start a job."""
        if reason := self.lacks(need):
            raise LaunchError(reason)
        if not (code := self._code_of(address)):
            raise LaunchError("no such program")
        asked = Running(
            address=address,
            generation=generation,
            pid=0,
            started_s=self._loop.time(),
            need=need,
        )
        self._known[address] = self._engine.start(code, asked)

    def drain(self, address: WorkerAddress) -> None:
        """Ask a job to end, once."""
        running = self._known.get(address)
        if running is not None and running.draining_since_s is None:
            self._known[address] = replace(running, draining_since_s=self._loop.time())
            self._engine.jobs[address][0].terminate()

    def kill(self, address: WorkerAddress) -> None:
        """End a job."""
        if address in self._known:
            self._engine.jobs[address][0].kill()

    async def close(self) -> None:
        """Listen no more."""
        self._engine.listener = lambda *_: None
        self._known.clear()

    def _end(self, address: WorkerAddress, code: int, words: str) -> None:
        if (running := self._known.pop(address, None)) is not None:
            self._on_ended(Ended(running=running, code=code, last_words=words))
