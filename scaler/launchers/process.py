"""Instances as processes on this machine.

Each is a session of its own that outlives the scaler; a record file per instance lets the next
scaler adopt it by pid and start time. It ends with the life-line, which it inherits.
Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import psutil
from msgspec.structs import replace

from mesh import lifecycle
from mesh.gpus import VISIBLE, Gpus
from mesh.process import Identity
from mesh.spec.options import Device
from mesh.subjects import WorkerAddress
from scaler.launchers import Ended, LaunchError, OnEnded, Running
from scaler.launchers.assignment import least_loaded
from scaler.launchers.ledger import InstanceRecord, Ledger
from scaler.launchers.spares import SpareCommand, Spares

log = logging.getLogger("scaler.launchers.process")

Command = Callable[[WorkerAddress, int], list[str]]


def worker_command(settings_path: str | None) -> Command:
    """Return how a worker program is started: with these settings, or with our environment."""
    settings = ("--settings", settings_path) if settings_path is not None else ()

    def command(address: WorkerAddress, generation: int) -> list[str]:
        return [
            *(sys.executable, "-m", "workers", *settings),
            *("--endpoint", address.endpoint, "--deployment", address.deployment),
            *("--generation", str(generation), "--instance", address.instance),
        ]

    return command


NOT_LOOKED: Final = Gpus(reason="none was looked for")

_Popen = subprocess.Popen[bytes]


class _Process:
    """One process under watch. `popen` is None for one that an earlier scaler started."""

    def __init__(self, running: Running, identity: Identity, popen: _Popen | None) -> None:
        self.running = running
        self.identity = identity
        self.popen = popen
        self.pidfd = os.pidfd_open(running.pid)

    def signal(self, number: signal.Signals) -> None:
        """Signal this very process, whoever has its pid by now."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def kill_session(self) -> None:
        """Kill it and what it started: it leads its own session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.running.pid, signal.SIGKILL)

    def code(self) -> int | None:
        """The exit code, once it has ended."""
        if self.popen is not None:
            return self.popen.wait()
        with contextlib.suppress(ChildProcessError):  # adopted: hardly ever a child of ours
            return os.waitstatus_to_exitcode(os.waitpid(self.running.pid, os.WNOHANG)[1])
        return None


class ProcessLauncher:
    """Keeps the processes of all deployments on this machine."""

    def __init__(
        self,
        state_dir: Path,
        command: Command,
        on_ended: OnEnded,
        gpus: Gpus = NOT_LOOKED,
        spare: SpareCommand | None = None,
    ) -> None:
        self._gpus = gpus
        self._ledger = Ledger(state_dir)
        self.spares = Spares(spare, state_dir / "logs")
        self._command = command
        self._on_ended = on_ended
        self._processes: dict[WorkerAddress, _Process] = {}
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"<ProcessLauncher running={len(self._processes)}>"

    def adopt(self) -> list[Running]:
        """Take over what an earlier scaler started and what still runs; return it."""
        for record in self._ledger.read():
            identity = record.identity() or _find(record)
            if identity is None or not identity.is_alive():
                self._ledger.remove(record.address)
                continue
            running = Running(
                address=record.address,
                generation=record.generation,
                pid=identity.pid,
                started_s=self._loop.time(),
                gpu=record.gpu,
            )
            try:
                self._watch(_Process(running, identity, None))
            except ProcessLookupError:
                self._ledger.remove(record.address)
        if self._processes:
            log.info("launcher.adopted instances=%d", len(self._processes))
        return list(self.running())

    def running(self) -> Sequence[Running]:
        """Every instance that has not ended."""
        return [process.running for process in self._processes.values()]

    def lacks(self, device: Device) -> str:
        """Why no instance can have such a device here; empty if one can."""
        if device == "cpu" or self._gpus.found:
            return ""
        return f"mesh.device: {device}: no GPU on this machine ({self._gpus.reason})"

    def launch(self, address: WorkerAddress, generation: int, device: Device = "cpu") -> None:
        """Start an instance; `cuda` gives it the GPU with the fewest instances.

        Raises:
            LaunchError: it could not be started.
        """
        if reason := self.lacks(device):
            raise LaunchError(f"instance {address.instance}: {reason}")
        gpu = self._choose() if device == "cuda" else ""
        record = InstanceRecord.of(address, generation, gpu)
        try:
            self._ledger.write(record)  # first: a scaler that dies in between finds it by name
            popen = self._spawn(record)
        except OSError as exc:
            self._ledger.remove(address)
            raise LaunchError(f"instance {address.instance}: {exc}") from exc
        self._note_pid(record, popen.pid)
        identity = Identity.of(popen.pid) or Identity(pid=popen.pid)
        running = Running(
            address=address,
            generation=generation,
            pid=popen.pid,
            started_s=self._loop.time(),
            gpu=gpu,
        )
        self._watch(_Process(running, identity, popen))
        name = ".".join(address)
        log.info("launcher.started instance=%s pid=%d gpu=%s", name, popen.pid, gpu or None)

    def drain(self, address: WorkerAddress) -> None:
        """Ask an instance to finish what it has and exit."""
        process = self._processes.get(address)
        if process is None or process.running.draining_since_s is not None:
            return
        process.running = replace(process.running, draining_since_s=self._loop.time())
        process.signal(signal.SIGTERM)

    def kill(self, address: WorkerAddress) -> None:
        """End an instance, and all it started, at once."""
        process = self._processes.get(address)
        if process is not None:
            process.kill_session()

    async def close(self) -> None:
        """Stop watching; the instances live on, spares do not."""
        self.spares.close()
        for process in self._processes.values():
            self._loop.remove_reader(process.pidfd)
            os.close(process.pidfd)
            if process.popen is not None:
                process.popen.returncode = 0  # it is meant to outlive us: no warning
        self._processes.clear()

    def _choose(self) -> str:
        taken = [process.running.gpu for process in self._processes.values()]
        return least_loaded(self._gpus.found, taken).uuid

    def keep_spares(self, count: int) -> None:
        """Have so many worker programs ready to become instances."""
        self.spares.keep(count, _environment(""))

    def _note_pid(self, record: InstanceRecord, pid: int) -> None:
        identity = Identity.of(pid) or Identity(pid=pid)
        self._ledger.write(replace(record, pid=pid, create_time=identity.create_time))

    def _spawn(self, record: InstanceRecord) -> _Popen:
        environ, note_pid = _environment(record.gpu), partial(self._note_pid, record)
        with self._ledger.open_log(record.address) as output:
            spare = self.spares.take(record.address, record.generation, environ, output, note_pid)
            return spare or subprocess.Popen(
                self._command(record.address, record.generation),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=lifecycle.lifeline_fds(),
                env=environ,
            )

    def _watch(self, process: _Process) -> None:
        self._processes[process.running.address] = process
        self._loop.add_reader(process.pidfd, self._note_ended, process)

    def _note_ended(self, process: _Process) -> None:
        address = process.running.address
        self._loop.remove_reader(process.pidfd)
        os.close(process.pidfd)
        del self._processes[address]
        code = process.code()
        words = self._ledger.last_words(address)
        self._ledger.remove(address)
        log.info("launcher.ended instance=%s code=%s", ".".join(address), code)
        self._on_ended(Ended(running=process.running, code=code, last_words=words))


def _environment(gpu: str) -> dict[str, str]:
    """Ours, without what `mesh up` told this process about itself, and with one GPU or none."""
    own = (lifecycle.READY_ENV, lifecycle.NAME_ENV)
    env = {name: value for name, value in os.environ.items() if name not in own}
    return {**env, VISIBLE: gpu}


def _find(record: InstanceRecord) -> Identity | None:
    """Find a process by the instance it was started for: its pid was never written down."""
    words = list(record.address)
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if all(word in line for word in words):
            return Identity.of(process.pid)
    return None
